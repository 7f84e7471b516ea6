#include "network.h"

#include <tvm/ffi/extra/json.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

namespace runner {
namespace {

namespace ffi = tvm::ffi;
using tvm::runtime::Tensor;

constexpr DLDevice kCpu = {kDLCPU, 0};
constexpr DLDataType kFloat32 = {kDLFloat, 32, 1};
constexpr int kPooledAllocator = 2;  // tvm::runtime::memory::AllocatorType::kPooled

Shape ReadShape(const ffi::json::Object& entry) {
  Shape shape;
  for (const ffi::Any& extent : entry["shape"].cast<ffi::json::Array>()) {
    shape.push_back(extent.cast<int64_t>());
  }
  return shape;
}

}  // namespace

Manifest ReadManifest(const std::string& folder) {
  const std::string path = folder + "/manifest.json";
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw InputError("there is no " + path + ": copy the whole exported folder");
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  try {
    const auto root = ffi::json::Parse(text).cast<ffi::json::Object>();
    return {root["title"].cast<std::string>() + " for " + root["board"].cast<std::string>(),
            root["library"].cast<std::string>(), ReadShape(root["input"].cast<ffi::json::Object>()),
            ReadShape(root["output"].cast<ffi::json::Object>()), root["tolerance"].cast<double>()};
  } catch (const ffi::Error&) {
    throw InputError(path + " is damaged: copy the exported folder again");
  }
}

Network::Network(const std::string& folder, const Manifest& manifest)
    : output_shape_(manifest.output) {
  const std::string path = folder + "/" + manifest.library;
  if (access(path.c_str(), R_OK) != 0) {
    throw InputError("there is no " + path + ": copy the whole exported folder");
  }
  try {
    const ffi::Module library = ffi::Module::LoadFromFile(path);
    const auto vm = library->GetFunction("vm_load_executable", true).value()().cast<ffi::Module>();
    vm->GetFunction("vm_initialization", false).value()(static_cast<int>(kCpu.device_type),
                                                        kCpu.device_id, kPooledAllocator);
    main_ = vm->GetFunction("main", false).value();
  } catch (const ffi::Error& error) {
    throw InputError(error.message());
  }
  input_ = Tensor::Empty(ffi::Shape(manifest.input), kFloat32, kCpu);
}

void Network::SetInput(const std::vector<float>& values) {
  input_.CopyFromBytes(values.data(), values.size() * sizeof(float));
}

void Network::Run() { output_ = main_(input_).cast<Tensor>(); }

std::vector<float> Network::Output() const {
  std::vector<float> values(static_cast<size_t>(ElementCount(output_shape_)));
  output_.CopyToBytes(values.data(), values.size() * sizeof(float));
  return values;
}

}  // namespace runner
