#include "board_health.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "board_info.h"

namespace server {
namespace {

constexpr int kMaxZones = 16;

std::string Word(const std::string& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

// The CPUs this process may run on; on a board of two clusters `taskset` limits them.
std::vector<int> Cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

// Degrees of the hottest zone, 0 = unknown.
double Temperature() {
  double hottest = 0;
  for (int zone = 0; zone < kMaxZones; ++zone) {
    const std::string path =
        "/sys/class/thermal/thermal_zone" + std::to_string(zone) + "/temp";  // in 1/1000 degree
    const double degrees = atof(Word(path).c_str()) / 1000;
    if (degrees > hottest) hottest = degrees;
  }
  return hottest;
}

// What follows "=" in what the Raspberry Pi's firmware tool says; empty on other boards.
std::string AskFirmware(const std::string& question) {
  for (const char* program : {"/usr/bin/vcgencmd", "/opt/vc/bin/vcgencmd"}) {
    if (access(program, X_OK) != 0) continue;
    FILE* pipe = popen((std::string(program) + " " + question + " 2>/dev/null").c_str(), "r");
    if (pipe == nullptr) return "";
    char text[128] = "";
    if (fgets(text, sizeof text, pipe) == nullptr) text[0] = '\0';
    pclose(pipe);
    const std::string answer = text;
    const size_t equals = answer.find('=');
    return equals == std::string::npos ? "" : answer.substr(equals + 1);
  }
  return "";
}

}  // namespace

std::string DescribeHealth() {
  if (ThisBoard().emulated) return "{}";
  long long clock_khz = 0, max_khz = 0;
  std::string governor;
  for (const int cpu : Cpus()) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cpufreq/";
    const long long max = atoll(Word(folder + "scaling_max_freq").c_str());
    if (max <= max_khz) continue;
    max_khz = max;
    clock_khz = atoll(Word(folder + "scaling_cur_freq").c_str());
    governor = Word(folder + "scaling_governor");
  }
  std::ostringstream json;
  const char* separator = "{";
  const auto add = [&](const char* name, const auto& value) {
    json << separator << "\"" << name << "\": " << value;
    separator = ", ";
  };
  if (max_khz > 0) add("max_clock_hz", 1000 * max_khz);
  if (clock_khz > 0) add("kernel_clock_hz", 1000 * clock_khz);
  // Governors' names are words of the kernel's own.
  if (!governor.empty()) add("governor", "\"" + governor + "\"");
  if (const double degrees = Temperature(); degrees > 0) add("temperature_c", degrees);
  const std::string throttled = AskFirmware("get_throttled");
  if (!throttled.empty()) add("throttled", strtoul(throttled.c_str(), nullptr, 16));
  const long long firmware_hz = atoll(AskFirmware("measure_clock arm").c_str());
  if (firmware_hz > 0) add("firmware_clock_hz", firmware_hz);
  const std::string text = json.str();
  return text.empty() ? "{}" : text + "}";
}

}  // namespace server
