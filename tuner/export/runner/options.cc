#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

namespace runner {
namespace {

constexpr char kUsage[] =
    "usage: ./run [options]\n"
    "Runs the network of this folder once, then times it.\n"
    "  --input FILE.npy   float32 array to run on (default: input.npy, the sample beside this file)\n"
    "  --output FILE.npy  write the network's output\n"
    "  --check            compare the output of the sample with expected.npy; exit 1 if it differs\n"
    "  --labels FILE      names of the classes, one a line\n"
    "  --repeat N         timed runs, the median counts (default 10)\n"
    "  --threads N        threads (default: one per core)\n"
    "exit status: 0 done, 1 the output is wrong, 2 something has to be mended\n";

int Count(const std::string& name, const char* text) {
  char* end = nullptr;
  const long value = strtol(text, &end, 10);
  if (end == text || *end != 0 || value < 1 || value > 1000000) {
    fprintf(stderr, "error: --%s takes a whole number from 1, not '%s'\n", name.c_str(), text);
    exit(2);
  }
  return static_cast<int>(value);
}

std::string OwnFolder(const char* called_as) {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  const std::string program = length > 0 ? std::string(path, static_cast<size_t>(length)) : called_as;
  const size_t slash = program.rfind('/');
  return slash == std::string::npos ? "." : program.substr(0, slash);
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  const struct option known[] = {
      {"input", required_argument, nullptr, 'i'},   {"output", required_argument, nullptr, 'o'},
      {"labels", required_argument, nullptr, 'l'},  {"repeat", required_argument, nullptr, 'r'},
      {"threads", required_argument, nullptr, 't'}, {"check", no_argument, nullptr, 'c'},
      {"help", no_argument, nullptr, 'h'},          {nullptr, 0, nullptr, 0},
  };
  Options options;
  options.folder = OwnFolder(argv[0]);
  opterr = 0;
  for (int option; (option = getopt_long(argc, argv, ":", known, nullptr)) != -1;) {
    switch (option) {
      case 'i': options.input = optarg; break;
      case 'o': options.output = optarg; break;
      case 'l': options.labels = optarg; break;
      case 'r': options.repeat = Count("repeat", optarg); break;
      case 't': options.threads = Count("threads", optarg); break;
      case 'c': options.check = true; break;
      case 'h': fputs(kUsage, stdout); exit(0);
      default:
        fprintf(stderr, "error: %s %s; --help lists the options\n", argv[optind - 1],
                option == ':' ? "needs a value" : "is no option");
        exit(2);
    }
  }
  if (optind < argc) {
    fprintf(stderr, "error: '%s' is no option; an array is given with --input\n", argv[optind]);
    exit(2);
  }
  if (options.check && !options.input.empty()) {
    fputs("error: --check is for the sample of this folder: leave --input out\n", stderr);
    exit(2);
  }
  return options;
}

}  // namespace runner
