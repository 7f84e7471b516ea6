#include "board_info.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "log.h"

namespace server {
namespace {

// Raised when a client could notice a difference.
constexpr int kServerVersion = 3;

#if defined(__aarch64__)
constexpr const char* kIsa = "aarch64";
#else
constexpr const char* kIsa = "armv7";
#endif

// "CPU part" of /proc/cpuinfo: Arm's numbers for its own cores (MIDR_EL1.PartNum, each core's TRM).
const struct {
  const char *part, *core;
} kParts[] = {
    {"0xc07", "cortex-a7"},  {"0xc09", "cortex-a9"},  {"0xc0d", "cortex-a17"},
    {"0xc0e", "cortex-a17"}, {"0xc0f", "cortex-a15"}, {"0xd03", "cortex-a53"},
    {"0xd04", "cortex-a35"}, {"0xd05", "cortex-a55"}, {"0xd07", "cortex-a57"},
    {"0xd08", "cortex-a72"}, {"0xd0b", "cortex-a76"},
};

std::string FirstLine(const char* path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line, '\0');  // device-tree strings end with a null byte
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  return line;
}

std::string CoreFromCpuinfo() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.compare(0, 8, "CPU part") != 0) continue;
    for (const auto& known : kParts) {
      if (line.find(known.part) != std::string::npos) return known.core;
    }
  }
  return "unknown";
}

BoardInfo AskKernel() {
  BoardInfo info{};
  info.cores = static_cast<int>(sysconf(_SC_NPROCESSORS_CONF));
  info.clock_hz =
      1000 * atoll(FirstLine("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").c_str());
  info.board = FirstLine("/proc/device-tree/model");
  if (info.board.empty()) info.board = "unknown";
  info.core = CoreFromCpuinfo();
  return info;
}

BoardInfo Ask() {
  // Static, not on the stack: the emulator writes through the address we pass.
  static struct guest_hello hello;
  guest_call(GUEST_HELLO, &hello, sizeof hello);
  BoardInfo info{};
  if (hello.magic == GUEST_HELLO_MAGIC) {
    if (hello.abi_version != GUEST_ABI_VERSION) {
      Log("this server speaks version %u of the emulator's calls, the emulator %u: rebuild both",
          GUEST_ABI_VERSION, hello.abi_version);
      exit(2);
    }
    info.emulated = true;
    info.model_version = static_cast<int>(hello.model_version);
    info.cores = static_cast<int>(hello.cores);
    info.clock_hz = static_cast<int64_t>(hello.clock_hz);
    info.board = std::string(hello.board, strnlen(hello.board, sizeof hello.board));
    info.core = std::string(hello.core, strnlen(hello.core, sizeof hello.core));
  } else {
    info = AskKernel();
  }
  const char* threads = getenv("TVM_NUM_THREADS");
  info.threads = threads != nullptr ? atoi(threads) : 0;
  if (info.threads < 1 || info.threads > info.cores) info.threads = info.cores;
  return info;
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) >= ' ') quoted += c;
  }
  return quoted + '"';
}

}  // namespace

const BoardInfo& ThisBoard() {
  static const BoardInfo* info = new BoardInfo(Ask());
  return *info;
}

std::string DescribeBoard() {
  const BoardInfo& info = ThisBoard();
  std::ostringstream json;
  json << "{\"board\": " << Quoted(info.board) << ", \"core\": " << Quoted(info.core)
       << ", \"emulated\": " << (info.emulated ? "true" : "false")
       << ", \"model\": " << info.model_version << ", \"clock_hz\": " << info.clock_hz
       << ", \"cores\": " << info.cores << ", \"threads\": " << info.threads << ", \"isa\": \""
       << kIsa << "\", \"time_evaluator\": "
       << (info.emulated ? "\"model time, one timed run\"" : "\"wall time\"")
       << ", \"server_version\": " << kServerVersion << ", \"tvm\": \""
       << SERVER_TVM_VERSION << "\"}";
  return json.str();
}

uint64_t* LastCounters() {
  static uint64_t counters[GUEST_RESULT_WORDS];
  return counters;
}

std::string DescribeCounters() {
  static const char* const kNames[] = {"cycles",     "instructions", "l1d_accesses", "l1d_misses",
                                       "l2_misses",  "prefetches",   "branches",     "mispredicts",
                                       "undecoded",  "dram_lines"};
  std::ostringstream json;
  const char* separator = "{";
  for (size_t i = 0; i < sizeof kNames / sizeof *kNames; ++i) {
    json << separator << "\"" << kNames[i] << "\": " << LastCounters()[i];
    separator = ", ";
  }
  return json.str() + "}";
}

}  // namespace server
