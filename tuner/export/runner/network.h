// The network of a bundle: what manifest.json says of it, and its code.
#pragma once
#include <tvm/ffi/extra/module.h>
#include <tvm/runtime/tensor.h>

#include <string>
#include <vector>

#include "npy.h"

namespace runner {

struct Manifest {
  std::string title, library;
  Shape input, output;
  double tolerance;  // allowed error of the output, relative to its largest value
};

// Reads manifest.json; throws InputError.
Manifest ReadManifest(const std::string& folder);

class Network {
 public:
  // Loads the library, its weights inside; throws InputError.
  Network(const std::string& folder, const Manifest& manifest);

  // Copies the array to where Run reads it: ElementCount(manifest.input) values.
  void SetInput(const std::vector<float>& values);
  void Run();
  std::vector<float> Output() const;  // of the last Run; ElementCount(manifest.output) values

 private:
  tvm::runtime::Tensor input_, output_;
  tvm::ffi::Function main_;  // keeps its module
  Shape output_shape_;
};

}  // namespace runner
