// Runs an exported network on a board that has nothing but a kernel: no libc, Python or TVM there.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <tvm/ffi/error.h>

#include <algorithm>
#include <fstream>
#include <numeric>

#include "elf_loader.h"
#include "network.h"
#include "npy.h"
#include "options.h"

namespace runner {
namespace {

constexpr size_t kShownClasses = 5;

std::vector<std::string> ReadLabels(const std::string& path, size_t classes) {
  if (path.empty()) return std::vector<std::string>(classes);
  std::ifstream stream(path);
  if (!stream) throw InputError(path + " cannot be read: it holds names of the classes, one a line");
  std::vector<std::string> labels;
  for (std::string line; std::getline(stream, line);) {
    while (!line.empty() && line.back() == '\r') line.pop_back();
    labels.push_back(line);
  }
  // One too many shifts all names: 1001 lines are common, with a first one for the background.
  if (labels.size() != classes) {
    throw InputError(path + " has " + std::to_string(labels.size()) + " lines, the network has " +
                     std::to_string(classes) + " outputs: give one line for each");
  }
  return labels;
}

double NowSeconds() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Seconds of one inference: the median of `repeat` timed ones.
double MedianSeconds(Network* network, int repeat) {
  std::vector<double> seconds;
  for (int i = 0; i < repeat; ++i) {
    const double start = NowSeconds();
    network->Run();
    seconds.push_back(NowSeconds() - start);
  }
  std::sort(seconds.begin(), seconds.end());
  const size_t middle = seconds.size() / 2;
  return seconds.size() % 2 == 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
}

void ShowLargest(const std::vector<float>& output, const std::vector<std::string>& labels) {
  std::vector<size_t> order(output.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t shown = std::min(kShownClasses, order.size());
  // Ties, and values that are not numbers, keep the order of the classes.
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(shown), order.end(),
                    [&output](size_t a, size_t b) {
                      const float left = isnan(output[a]) ? -INFINITY : output[a];
                      const float right = isnan(output[b]) ? -INFINITY : output[b];
                      return left > right || (left == right && a < b);
                    });
  for (size_t i = 0; i < shown; ++i) {
    const std::string& label = labels[order[i]];
    printf("%5zu  %.6f%s%s\n", order[i], static_cast<double>(output[order[i]]),
           label.empty() ? "" : "  ", label.c_str());
  }
}

// Compares with what was computed in float64 when the folder was made; returns the exit status.
int Check(const std::vector<float>& output, const std::vector<float>& expected, double tolerance) {
  double largest = 0, error = 0;
  for (size_t i = 0; i < output.size(); ++i) {
    const double off = fabs(static_cast<double>(output[i]) - static_cast<double>(expected[i]));
    largest = std::max(largest, fabs(static_cast<double>(expected[i])));
    error = off <= error ? error : off;  // keeps one that is not a number
  }
  const bool is_right = error <= tolerance * largest;
  printf("%s: off by %.1e of the largest value at most, %.0e allowed\n",
         is_right ? "right" : "WRONG", error / largest, tolerance);
  return is_right ? 0 : 1;
}

int Main(const Options& options) {
  // Files first: what the user has to mend shows before anything is computed.
  const Manifest manifest = ReadManifest(options.folder);
  const std::string input = options.input.empty() ? options.folder + "/input.npy" : options.input;
  const std::vector<float> data = ReadNpy(input, manifest.input);
  const auto classes = static_cast<size_t>(ElementCount(manifest.output));
  const std::vector<std::string> labels = ReadLabels(options.labels, classes);
  std::vector<float> expected;
  if (options.check) expected = ReadNpy(options.folder + "/expected.npy", manifest.output);

  server::InstallElfLoader();
  Network network(options.folder, manifest);
  network.SetInput(data);
  network.Run();  // pages and caches are warm from here on
  const double seconds = MedianSeconds(&network, options.repeat);
  const std::vector<float> output = network.Output();
  printf("%s\n", manifest.title.c_str());
  ShowLargest(output, labels);
  const auto threads = tvm::ffi::Function::GetGlobalRequired("runtime.NumThreads")().cast<int>();
  printf("%.3f ms, the median of %d (%d thread%s)\n", seconds * 1e3, options.repeat, threads,
         threads == 1 ? "" : "s");
  if (!options.output.empty()) WriteNpy(options.output, manifest.output, output);
  return options.check ? Check(output, expected, manifest.tolerance) : 0;
}

}  // namespace
}  // namespace runner

int main(int argc, char** argv) {
  const runner::Options options = runner::ParseOptions(argc, argv);
  // The runtime reads it when it makes its threads.
  if (options.threads > 0) {
    setenv("TVM_NUM_THREADS", std::to_string(options.threads).c_str(), 1);
  }
  try {
    return runner::Main(options);
  } catch (const tvm::ffi::Error& error) {
    fprintf(stderr, "error: the network failed: %s\n", error.message().c_str());
  } catch (const std::exception& error) {
    fprintf(stderr, "error: %s\n", error.what());
  }
  return 2;
}
