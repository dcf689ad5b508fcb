// The program asks a keeper, by one byte on a socket; the keeper starts a decoder, waits for its end and
// answers with its exit status. What is decoded and what comes of it lie in memory that all three share:
//
//   Header | name | bytes of the file | room for the pixels, or for the text of an error
//
// A decoder limits itself and then gives up all system calls but a few. The program looks at the memory only
// when the decoder has ended, and trusts nothing in it.

#include "apps/decoder_sandbox.h"

#include "apps/syscall_filter.h"
#include "engine/error.h"

#ifdef __linux__

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>

namespace tapeline {

namespace {

constexpr int kSeconds = 20;
constexpr std::size_t kMostError = 1000;
constexpr char kDecode = 'd', kTry = 't';  // what a keeper is asked for

enum class Result : std::int32_t { none, picture, error, no_memory };

struct Layout {
  std::uint64_t name, bytes, room;

  std::size_t size() const;
};

struct Header {
  Layout layout;
  std::int64_t memory;  // that the decoder may take
  Result result;
  std::int32_t width, height, channels;
  std::uint32_t error_length;
};

std::size_t Layout::size() const { return sizeof(Header) + name + bytes + room; }

/// The shared memory. Its layout is kept apart from it, because a decoder can write there.
class Mapping {
 public:
  Mapping(int memory, const Layout& layout) : layout_(layout) {
    void* const start = ::mmap(nullptr, layout.size(), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (start == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<std::byte*>(start);
  }
  ~Mapping() { ::munmap(start_, layout_.size()); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  Header& header() const { return *reinterpret_cast<Header*>(start_); }
  std::byte* name() const { return start_ + sizeof(Header); }
  std::byte* bytes() const { return name() + layout_.name; }
  std::byte* room() const { return bytes() + layout_.bytes; }
  const Layout& layout() const { return layout_; }

 private:
  Layout layout_;
  std::byte* start_ = nullptr;
};

// --- The decoder ---

void set_limit(decltype(RLIMIT_AS) which, std::uint64_t most) {
  const rlimit limit{most, most};
  ::setrlimit(which, &limit);
}

std::uint64_t address_space() {
  unsigned long long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%llu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void answer_error(const Mapping& mapping, std::string_view text) {
  const std::size_t length = std::min({text.size(), kMostError, std::size_t{mapping.layout().room}});
  std::memcpy(mapping.room(), text.data(), length);
  mapping.header().error_length = static_cast<std::uint32_t>(length);
  mapping.header().result = Result::error;
}

void answer(const Mapping& mapping, DecoderSandbox::Decode decode, const ImageLimits& limits) {
  const std::string_view name(reinterpret_cast<const char*>(mapping.name()), mapping.layout().name);
  try {
    const Image image = decode({mapping.bytes(), mapping.layout().bytes}, name, 0, limits);
    if (image.pixels.size() > mapping.layout().room) return;
    std::memcpy(mapping.room(), image.pixels.data(), image.pixels.size());
    Header& header = mapping.header();
    header.width = image.width;
    header.height = image.height;
    header.channels = image.channels;
    header.result = Result::picture;
  } catch (const std::bad_alloc&) {
    mapping.header().result = Result::no_memory;
  } catch (const std::exception& error) {
    answer_error(mapping, error.what());
  }
}

[[noreturn]] void be_decoder(int memory, DecoderSandbox::Decode decode, const ImageLimits& limits) {
  Header header;
  if (::pread(memory, &header, sizeof header, 0) != sizeof header) ::_exit(1);
  const Mapping mapping(memory, header.layout);
  set_limit(RLIMIT_AS, address_space() + static_cast<std::uint64_t>(header.memory));
  set_limit(RLIMIT_CPU, kSeconds);
  set_limit(RLIMIT_CORE, 0);
  for (const int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::signal(crash, SIG_DFL);
  if (!allow_only_memory_calls()) ::_exit(1);
  answer(mapping, decode, limits);
  ::_exit(0);
}

// --- The keeper ---

[[noreturn]] void be_keeper(int socket, int memory, DecoderSandbox::Decode decode,
                            const ImageLimits& limits) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (char asked = 0; ::recv(socket, &asked, 1, 0) == 1;) {
    int status = 0;
    const pid_t decoder = ::fork();
    if (decoder == 0) {
      if (asked == kTry) ::_exit(allow_only_memory_calls() ? 0 : 1);
      be_decoder(memory, decode, limits);
    }
    if (decoder < 0)
      status = -errno;
    else
      while (::waitpid(decoder, &status, 0) < 0 && errno == EINTR) {
      }
    if (::send(socket, &status, sizeof status, MSG_NOSIGNAL) != sizeof status) break;
  }
  ::_exit(0);
}

// --- The program ---

/// The exit status of a decoder, negative where there was none.
int ask(int socket, char what) {
  int status = 0;
  ssize_t got = ::send(socket, &what, 1, MSG_NOSIGNAL);
  if (got == 1) do
      got = ::recv(socket, &status, sizeof status, MSG_WAITALL);
    while (got < 0 && errno == EINTR);
  return got == sizeof status ? status : -ECHILD;
}

void check_status(int status, std::string_view name) {
  if (status == 0) return;
  if (status < 0)
    throw Error("cannot read {}: there is no process to decode it: {}", name, std::strerror(-status));
  if (WIFEXITED(status))
    throw Error("cannot read {}: its decoder could not be shut in; --no-sandbox reads without", name);
  const int signal = WTERMSIG(status);
  if (signal == SIGSYS)
    throw Error(
        "cannot read {}: its decoder tried to do more than decode, and was ended: "
        "the file is damaged, or an attack",
        name);
  if (signal == SIGXCPU || signal == SIGKILL)
    throw Error("cannot read {}: its decoder was ended; it took more than {} seconds, or memory ran out",
                name, kSeconds);
  throw Error("cannot read {}: its decoder ended badly ({}): the file is damaged, or an attack", name,
              ::strsignal(signal));
}

/// What comes out of a decoder may be chosen by whoever made the picture: nothing for a terminal to act on.
std::string printable(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  return result;
}

Image picture_of(const Mapping& mapping, std::string_view name, const ImageLimits& limits) {
  const Header header = mapping.header();
  if (header.result == Result::error && header.error_length <= kMostError)
    throw Error("{}", printable({reinterpret_cast<const char*>(mapping.room()), header.error_length}));
  if (header.result == Result::no_memory)
    throw Error("cannot read {}: its decoder took too much memory: the file is damaged, or an attack", name);
  const std::int64_t width = header.width, height = header.height;
  if (header.result != Result::picture || width < 1 || height < 1 || width > limits.side ||
      height > limits.side || width * height > limits.pixels ||
      (header.channels != 1 && header.channels != 3))
    throw Error("cannot read {}: its decoder gave back no picture: the file is damaged, or an attack", name);
  Image image(header.width, header.height, header.channels);
  std::memcpy(image.pixels.data(), mapping.room(), image.pixels.size());
  return image;
}

}  // namespace

/// A keeper for as long as it lives, whose memory is given back with it.
class DecoderSandbox::Lease {
 public:
  explicit Lease(DecoderSandbox& from) : from_(from) {
    std::unique_lock lock(from_.mutex_);
    from_.freed_.wait(lock, [&] { return !from_.free_.empty(); });
    keeper_ = from_.free_.back();
    from_.free_.pop_back();
  }
  ~Lease() {
    [[maybe_unused]] const int shrunk = ::ftruncate(keeper_.memory, 0);
    const std::lock_guard lock(from_.mutex_);
    from_.free_.push_back(keeper_);
    from_.freed_.notify_one();
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  const Keeper* operator->() const { return &keeper_; }

 private:
  DecoderSandbox& from_;
  Keeper keeper_;
};

DecoderSandbox::DecoderSandbox(int keepers, const ImageLimits& limits, Decode decode) : limits_(limits) {
  if (!has_syscall_filter())
    throw Error("there is no sandbox for decoders on this system; --no-sandbox reads without");
  keepers_.reserve(static_cast<std::size_t>(keepers));
  try {
    while (keepers_.size() < static_cast<std::size_t>(keepers)) start_keeper(decode);
    free_ = keepers_;
    if (ask(keepers_.front().socket, kTry) != 0)
      throw Error("the system refuses a sandbox for decoders (seccomp); --no-sandbox reads without");
  } catch (...) {
    stop_keepers();
    throw;
  }
}

DecoderSandbox::~DecoderSandbox() { stop_keepers(); }

void DecoderSandbox::start_keeper(Decode decode) {
  int sockets[2] = {-1, -1};
  const int memory = ::memfd_create("picture", MFD_CLOEXEC);
  const bool connected = memory >= 0 && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0;
  std::fflush(nullptr);
  const pid_t process = connected ? ::fork() : -1;
  if (process == 0) {
    for (const Keeper& other : keepers_) ::close(other.socket);
    ::close(sockets[0]);
    be_keeper(sockets[1], memory, decode, limits_);
  }
  const int error = errno;
  if (connected) ::close(sockets[1]);
  if (process < 0) {
    if (connected) ::close(sockets[0]);
    if (memory >= 0) ::close(memory);
    throw Error("the sandbox for decoders cannot be started: {}", std::strerror(error));
  }
  keepers_.push_back({process, sockets[0], memory});
}

void DecoderSandbox::stop_keepers() {
  for (const Keeper& keeper : keepers_) {
    ::close(keeper.socket);
    ::close(keeper.memory);
  }
  for (const Keeper& keeper : keepers_)
    while (::waitpid(keeper.process, nullptr, 0) < 0 && errno == EINTR) {
    }
}

Image DecoderSandbox::decode(std::span<const std::byte> bytes, std::string_view name) {
  const Lease keeper(*this);
  const Layout layout{name.size(), bytes.size(), 3 * static_cast<std::uint64_t>(limits_.pixels) + kMostError};
  if (::ftruncate(keeper->memory, static_cast<off_t>(layout.size())) != 0)
    throw Error("cannot read {}: {}", name, std::strerror(errno));
  const Mapping mapping(keeper->memory, layout);
  mapping.header() = Header{layout, decoding_memory(bytes, limits_), Result::none, 0, 0, 0, 0};
  std::memcpy(mapping.name(), name.data(), name.size());
  std::memcpy(mapping.bytes(), bytes.data(), bytes.size());
  check_status(ask(keeper->socket, kDecode), name);
  return picture_of(mapping, name, limits_);
}

}  // namespace tapeline

#else

namespace tapeline {

DecoderSandbox::DecoderSandbox(int, const ImageLimits& limits, Decode) : limits_(limits) {
  throw Error("there is no sandbox for decoders on this system; --no-sandbox reads without");
}
DecoderSandbox::~DecoderSandbox() = default;
Image DecoderSandbox::decode(std::span<const std::byte> bytes, std::string_view name) {
  return decode_image(bytes, name, 0, limits_);
}

}  // namespace tapeline

#endif
