#include "backends/vulkan/instance.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "engine/error.h"

namespace tapeline::vulkan {
namespace {

constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";

bool validation_wanted() {
  const char* text = std::getenv("TAPELINE_VULKAN_VALIDATION");
  return text && std::strcmp(text, "1") == 0;
}

bool layer_present(const char* name) {
  std::uint32_t count = 0;
  vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vkEnumerateInstanceLayerProperties(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(),
                     [&](const VkLayerProperties& layer) { return std::strcmp(layer.layerName, name) == 0; });
}

bool extension_present(const char* name) {
  std::uint32_t count = 0;
  vkEnumerateInstanceExtensionProperties(nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  vkEnumerateInstanceExtensionProperties(nullptr, &count, extensions.data());
  return std::any_of(extensions.begin(), extensions.end(), [&](const VkExtensionProperties& extension) {
    return std::strcmp(extension.extensionName, name) == 0;
  });
}

}  // namespace

std::shared_ptr<Instance> Instance::open() {
  static std::mutex mutex;
  static std::weak_ptr<Instance> current;
  const std::scoped_lock lock(mutex);
  std::shared_ptr<Instance> instance = current.lock();
  if (!instance) {
    instance = std::shared_ptr<Instance>(new Instance);
    current = instance;
  }
  return instance;
}

Instance::Instance() {
  if (volkInitialize() != VK_SUCCESS)
    throw Error(
        "vulkan: no Vulkan loader on this machine (libvulkan.so.1); install it with the driver of your GPU, "
        "on Debian libvulkan1 and mesa-vulkan-drivers");
  if (volkGetInstanceVersion() < VK_API_VERSION_1_1)
    throw Error("vulkan: the Vulkan loader of this machine is older than 1.1; bring it up to date");

  const bool validate = validation_wanted();
  if (validate && !layer_present(kValidationLayer))
    throw Error(
        "vulkan: TAPELINE_VULKAN_VALIDATION=1 needs the layer {}, on Debian the package "
        "vulkan-validationlayers; install it or unset the variable",
        kValidationLayer);
  std::vector<const char*> extensions;
  if (validate) extensions.push_back(VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
  const bool portable = extension_present(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
  if (portable) extensions.push_back(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);

  const VkDebugUtilsMessengerCreateInfoEXT listen{
      .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
      .pNext = nullptr,
      .flags = 0,
      .messageSeverity =
          VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
      .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
      .pfnUserCallback = hear,
      .pUserData = this};
  const VkValidationFeatureEnableEXT synchronisation =
      VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
  const VkValidationFeaturesEXT features{.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                         .pNext = &listen,
                                         .enabledValidationFeatureCount = 1,
                                         .pEnabledValidationFeatures = &synchronisation,
                                         .disabledValidationFeatureCount = 0,
                                         .pDisabledValidationFeatures = nullptr};
  const VkApplicationInfo application{.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                      .pNext = nullptr,
                                      .pApplicationName = "tapeline",
                                      .applicationVersion = 0,
                                      .pEngineName = "tapeline",
                                      .engineVersion = 0,
                                      .apiVersion = std::min(volkGetInstanceVersion(), VK_API_VERSION_1_2)};
  const VkInstanceCreateInfo info{
      .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
      .pNext = validate ? &features : nullptr,
      .flags = portable ? VkInstanceCreateFlags{VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR} : 0,
      .pApplicationInfo = &application,
      .enabledLayerCount = validate ? 1u : 0u,
      .ppEnabledLayerNames = &kValidationLayer,
      .enabledExtensionCount = static_cast<std::uint32_t>(extensions.size()),
      .ppEnabledExtensionNames = extensions.data()};
  const VkResult created = vkCreateInstance(&info, nullptr, &handle_);
  if (created != VK_SUCCESS)  // loaders also say "out of memory" of a driver's file that is broken
    throw Error(
        "vulkan: no usable Vulkan driver on this machine ({}); install the driver of your GPU, or on Debian "
        "mesa-vulkan-drivers, and look whether VK_DRIVER_FILES or VK_ICD_FILENAMES name files that are good",
        name_of(created));
  volkLoadInstance(handle_);
  if (validate) vkCreateDebugUtilsMessengerEXT(handle_, &listen, nullptr, &messenger_);

  std::uint32_t count = 0;
  vkEnumeratePhysicalDevices(handle_, &count, nullptr);
  devices_.resize(count);
  vkEnumeratePhysicalDevices(handle_, &count, devices_.data());
  devices_.resize(count);
}

Instance::~Instance() {
  if (messenger_) vkDestroyDebugUtilsMessengerEXT(handle_, messenger_, nullptr);
  vkDestroyInstance(handle_, nullptr);
}

std::vector<std::string> Instance::take_messages() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(messages_, {});
}

VkBool32 VKAPI_PTR Instance::hear(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                  const VkDebugUtilsMessengerCallbackDataEXT* data, void* instance) {
  auto& self = *static_cast<Instance*>(instance);
  const std::scoped_lock lock(self.mutex_);
  self.messages_.emplace_back(data->pMessage);
  return VK_FALSE;
}

}  // namespace tapeline::vulkan
