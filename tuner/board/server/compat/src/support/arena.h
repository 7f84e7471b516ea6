// Stands in for a header the wheel leaves out: a bump allocator for the values of one RPC message.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

namespace tvm {
namespace support {

// For trivially destructible data. RecycleAll() frees everything but the first page.
class Arena {
 public:
  template <typename T>
  T* allocate_(int count = 1) {
    return static_cast<T*>(Allocate(sizeof(T) * static_cast<size_t>(count), alignof(T)));
  }

  void RecycleAll() {
    if (pages_.size() > 1) pages_.resize(1);
    if (!pages_.empty()) pages_[0].used = 0;
  }

 private:
  struct Page {
    std::unique_ptr<char[]> memory;
    size_t size, used;
  };
  static constexpr size_t kPageBytes = 16 << 10;

  void* Allocate(size_t bytes, size_t alignment) {
    if (!pages_.empty()) {
      Page& page = pages_.back();
      const size_t start = (page.used + alignment - 1) / alignment * alignment;
      if (start + bytes <= page.size) {
        page.used = start + bytes;
        return page.memory.get() + start;
      }
    }
    const size_t size = bytes > kPageBytes ? bytes : kPageBytes;
    // new[] aligns for every fundamental type, so a fresh page needs no rounding.
    pages_.push_back(Page{std::unique_ptr<char[]>(new char[size]), size, bytes});
    return pages_.back().memory.get();
  }

  std::vector<Page> pages_;
};

}  // namespace support
}  // namespace tvm
