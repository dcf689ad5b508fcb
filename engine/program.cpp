#include "engine/program.h"

#include "engine/error.h"
#include "engine/passes.h"

namespace tapeline {

namespace {

thread_local Program* recorder = nullptr;

std::shared_ptr<Backend> device_of(const Kernel& kernel) {
  std::shared_ptr<Backend> device;
  const auto check = [&](const View& view) {
    if (!device) device = view.storage->backend;
    if (device != view.storage->backend)
      throw Error("{}: one operand is on {}, another on {}; move them to one device", name_of(kernel),
                  device->describe().id, view.storage->backend->describe().id);
  };
  visit_views(kernel, check, check);
  if (!device) throw Error("{}: no operands", name_of(kernel));
  return device;
}

}  // namespace

bool recording() { return recorder != nullptr; }

Program record(const std::function<void()>& body) {
  if (recorder) throw Error("record: already recording a program; programs do not nest");
  Program program;
  struct Scope {
    explicit Scope(Program* p) { recorder = p; }
    ~Scope() { recorder = nullptr; }
  } const scope(&program);
  body();
  return program;
}

void submit(Kernel kernel) {
  const std::shared_ptr<Backend> device = device_of(kernel);
  if (recorder)
    recorder->kernels_.push_back(std::move(kernel));
  else
    device->run(kernel);
}

std::shared_ptr<Storage> make_storage(const std::shared_ptr<Backend>& device, std::size_t bytes,
                                      bool constant) {
  if (!device) throw Error("tensor: no device given");
  auto storage = std::make_shared<Storage>();
  storage->backend = device;
  storage->bytes = bytes;
  if (!recorder || constant) storage->block = device->allocate(bytes);
  return storage;
}

void Program::compile(FrozenWeights* weights) {
  if (executable_) throw Error("program: compiled already");
  if (kernels_.empty()) throw Error("program: nothing was recorded");
  const std::shared_ptr<Backend> device = device_of(kernels_.front());
  const auto kept = find_kept(kernels_);
  drop_dead_work(kernels_, kept);
  fuse_activations(kernels_, kept);
  if (device->fuses_pooling()) fuse_pooling(kernels_, kept);
  derive_behind_pooling(kernels_, kept);
  if (weights) fold_batch_norm(kernels_, kept, *weights);
  const MemoryPlan plan = plan_memory(kernels_, kept);
  arena_bytes_ = plan.arena_bytes;
  unshared_bytes_ = plan.unshared_bytes;
  const std::shared_ptr<Block> arena = device->allocate(plan.arena_bytes);
  for (const Kernel& kernel : kernels_) {
    const auto place = [&](const View& view) {
      if (!view.storage->block) view.storage->block = arena;
    };
    visit_views(kernel, place, place);
  }
  executable_ = device->compile(kernels_);
}

void Program::replay() {
  if (!executable_) throw Error("program: compile() comes before replay()");
  executable_->replay();
}

}  // namespace tapeline
