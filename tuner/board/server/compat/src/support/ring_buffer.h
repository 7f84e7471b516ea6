// Stands in for a header the wheel leaves out: the byte queue between a channel and the endpoint.
#pragma once
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace tvm {
namespace support {

// A queue in one vector: bytes [begin_, end_) are waiting to be read.
class RingBuffer {
 public:
  size_t bytes_available() const { return end_ - begin_; }

  void Reserve(size_t bytes) {
    if (bytes > bytes_available()) MakeRoom(bytes - bytes_available());
  }

  void Read(void* data, size_t size) {
    if (size > bytes_available()) throw std::runtime_error("RPC message is shorter than it says");
    if (size != 0) std::memcpy(data, buffer_.data() + begin_, size);
    Consume(size);
  }

  void Write(const void* data, size_t size) {
    MakeRoom(size);
    if (size != 0) std::memcpy(buffer_.data() + end_, data, size);
    end_ += size;
  }

  // send(data, size) returns how many bytes it took.
  template <typename Send>
  size_t ReadWithCallback(Send send, size_t max_bytes) {
    const size_t offered = bytes_available() < max_bytes ? bytes_available() : max_bytes;
    const size_t taken = send(static_cast<const void*>(buffer_.data() + begin_), offered);
    Consume(taken);
    return taken;
  }

  // receive(data, size) returns how many bytes it put.
  template <typename Receive>
  size_t WriteWithCallback(Receive receive, size_t max_bytes) {
    MakeRoom(max_bytes);
    const size_t put = receive(static_cast<void*>(buffer_.data() + end_), max_bytes);
    end_ += put;
    return put;
  }

 private:
  void Consume(size_t bytes) {
    begin_ += bytes;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    // A large upload must not hold its memory for the rest of the session.
    if (buffer_.size() > kKeepBytes) std::vector<char>().swap(buffer_);
  }

  void MakeRoom(size_t bytes) {
    if (end_ + bytes <= buffer_.size()) return;
    if (begin_ != 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    const size_t needed = end_ + bytes, doubled = 2 * buffer_.size();
    if (needed > buffer_.size()) buffer_.resize(needed > doubled ? needed : doubled);
  }

  static constexpr size_t kKeepBytes = 1 << 20;
  std::vector<char> buffer_;
  size_t begin_{0}, end_{0};
};

}  // namespace support
}  // namespace tvm
