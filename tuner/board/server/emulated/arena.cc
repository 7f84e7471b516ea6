// Memory of tensors at canonical addresses. Cache behaviour depends on addresses modulo the size of
// a cache way, at most 64 KiB on the modelled boards: with every tensor starting at a multiple of
// that, cycles do not depend on what was allocated before.
#include <string.h>
#include <sys/mman.h>
#include <tvm/ffi/error.h>
#include <tvm/ffi/function.h>
#include <tvm/runtime/device_api.h>

#include <map>

#include "hooks.h"

namespace server {
namespace {

namespace ffi = tvm::ffi;

constexpr size_t kGranule = 64 << 10;
// Address space only: memory is taken when it is touched. armv7 has little of the former.
constexpr size_t kDataBytes = (sizeof(void*) == 8 ? 8192ull : 1024ull) << 20;
constexpr size_t kWorkspaceBytes = size_t{256} << 20;

size_t RoundUp(size_t bytes) { return (bytes + kGranule - 1) / kGranule * kGranule; }

char* Reserve(size_t bytes) {
  void* memory = mmap(nullptr, bytes + kGranule, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) TVM_FFI_THROW(RuntimeError) << "no address space for tensors";
  return reinterpret_cast<char*>(RoundUp(reinterpret_cast<uintptr_t>(memory)));
}

// First fit over a fixed range.
class DataArena {
 public:
  char* Allocate(size_t bytes) {
    const size_t needed = RoundUp(bytes == 0 ? 1 : bytes);
    size_t gap = 0;  // start of the free range before the block looked at
    for (const auto& [start, size] : blocks_) {
      if (start - gap >= needed) break;
      gap = start + size;
    }
    if (gap + needed > kDataBytes) {
      TVM_FFI_THROW(RuntimeError) << "the board is out of memory: " << bytes << " bytes asked for";
    }
    blocks_[gap] = needed;
    if (gap + needed > high_water_) high_water_ = gap + needed;
    return base_ + gap;
  }

  void Free(void* pointer) {
    blocks_.erase(static_cast<size_t>(static_cast<char*>(pointer) - base_));
    if (!blocks_.empty()) return;
    // As at the start: the next tensors find zeroed memory again, and the host gets its back.
    madvise(base_, high_water_, MADV_DONTNEED);
    high_water_ = 0;
  }

 private:
  char* const base_ = Reserve(kDataBytes);
  std::map<size_t, size_t> blocks_;  // start -> size, in use
  size_t high_water_{0};
};

// Scratch memory of kernels: taken and given back inside timed code, so a stack with no search.
class WorkspaceStack {
 public:
  char* Allocate(size_t bytes) {
    const size_t needed = RoundUp(bytes == 0 ? 1 : bytes);
    if (depth_ == kMaxDepth || top_ + needed > kWorkspaceBytes) {
      TVM_FFI_THROW(RuntimeError) << "a kernel needs more scratch memory than the board offers: "
                                  << bytes << " bytes more";
    }
    blocks_[depth_++] = {top_, true};
    top_ += needed;
    return base_ + blocks_[depth_ - 1].start;
  }

  void Free(void* pointer) {
    const size_t start = static_cast<size_t>(static_cast<char*>(pointer) - base_);
    for (int i = depth_ - 1; i >= 0; --i) {
      if (blocks_[i].start == start) {
        blocks_[i].used = false;
        break;
      }
    }
    while (depth_ > 0 && !blocks_[depth_ - 1].used) top_ = blocks_[--depth_].start;
  }

 private:
  static constexpr int kMaxDepth = 256;
  struct Block {
    size_t start;
    bool used;
  };
  char* const base_ = Reserve(kWorkspaceBytes);
  size_t top_{0};
  int depth_{0};
  Block blocks_[kMaxDepth];
};

class ArenaDevice final : public tvm::runtime::DeviceAPI {
 public:
  void SetDevice(tvm::Device) final {}

  void GetAttr(tvm::Device, tvm::runtime::DeviceAttrKind kind, ffi::Any* result) final {
    if (kind == tvm::runtime::kExist) *result = 1;
    if (kind == tvm::runtime::kTotalGlobalMemory) *result = static_cast<int64_t>(kDataBytes);
  }

  void* AllocDataSpace(tvm::Device, size_t bytes, size_t, DLDataType) final {
    return data_.Allocate(bytes);
  }
  void FreeDataSpace(tvm::Device, void* pointer) final { data_.Free(pointer); }

  void* AllocWorkspace(tvm::Device, size_t bytes, DLDataType) final {
    return workspaces_.Allocate(bytes);
  }
  void FreeWorkspace(tvm::Device, void* pointer) final { workspaces_.Free(pointer); }

  void StreamSync(tvm::Device, TVMStreamHandle) final {}
  bool SupportsDevicePointerArithmeticsOnHost() final { return true; }

 protected:
  void CopyDataFromTo(const void* from, size_t from_offset, void* to, size_t to_offset, size_t size,
                      tvm::Device, tvm::Device, DLDataType, TVMStreamHandle) final {
    memcpy(static_cast<char*>(to) + to_offset, static_cast<const char*>(from) + from_offset, size);
  }

 private:
  DataArena data_;
  WorkspaceStack workspaces_;
};

}  // namespace

void InstallDataArena() {
  static auto* device = new ArenaDevice();  // never destroyed: tensors may outlive static objects
  const auto get = []() { return static_cast<void*>(device); };
  ffi::Function::SetGlobal("device_api.cpu", ffi::Function::FromTyped(get), true);
  // TVM looks it up at the first use: here, and not in the first timed run that needs scratch memory.
  tvm::runtime::DeviceAPI::Get({kDLCPU, 0});
}

}  // namespace server
