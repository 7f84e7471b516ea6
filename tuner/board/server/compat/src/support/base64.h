// Stands in for a header the wheel leaves out: base64 (RFC 4648) as a pair of streams.
#pragma once
#include <tvm/support/io.h>
#include <tvm/support/serializer.h>

#include <cstdint>

namespace tvm {
namespace support {

class Base64OutStream : public Stream {
 public:
  explicit Base64OutStream(Stream* out) : out_(out) {}
  using Stream::Read;
  using Stream::Write;
  size_t Read(void*, size_t) override { return 0; }
  size_t Write(const void* data, size_t size) override {
    for (size_t i = 0; i < size; ++i) {
      pending_ = pending_ << 8 | static_cast<const uint8_t*>(data)[i];
      if (++pending_bytes_ == 3) Flush();
    }
    return size;
  }
  void Finish() {
    if (pending_bytes_ != 0) Flush();
  }

 private:
  void Flush() {
    static const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint32_t bits = pending_ << 8 * (3 - pending_bytes_);
    char text[4];
    for (int i = 0; i < 4; ++i) {
      text[i] = i <= pending_bytes_ ? digits[bits >> (18 - 6 * i) & 63] : '=';
    }
    out_->Write(static_cast<const void*>(text), 4);
    pending_ = 0;
    pending_bytes_ = 0;
  }

  Stream* out_;
  uint32_t pending_{0};
  int pending_bytes_{0};
};

class Base64InStream : public Stream {
 public:
  explicit Base64InStream(Stream* in) : in_(in) {}
  void InitPosition() {}
  using Stream::Read;
  using Stream::Write;
  size_t Write(const void*, size_t) override { return 0; }
  size_t Read(void* data, size_t size) override {
    for (size_t i = 0; i < size; ++i) {
      if (ready_bytes_ == 0 && !Decode()) return i;
      static_cast<uint8_t*>(data)[i] = ready_[next_++];
      --ready_bytes_;
    }
    return size;
  }

 private:
  // -1: not a digit of base64.
  static int Digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
  }

  // Reads one group of four digits, skipping white space.
  bool Decode() {
    uint32_t bits = 0;
    int digits = 0, padding = 0;
    while (digits < 4) {
      char c;
      if (in_->Read(static_cast<void*>(&c), 1) != 1) return false;
      if (c != '=' && Digit(c) < 0) continue;
      bits = bits << 6 | (c == '=' ? 0u : static_cast<uint32_t>(Digit(c)));
      padding += c == '=';
      ++digits;
    }
    ready_[0] = static_cast<uint8_t>(bits >> 16);
    ready_[1] = static_cast<uint8_t>(bits >> 8);
    ready_[2] = static_cast<uint8_t>(bits);
    next_ = 0;
    ready_bytes_ = 3 - padding;
    return ready_bytes_ > 0;
  }

  Stream* in_;
  uint8_t ready_[3];
  int next_{0}, ready_bytes_{0};
};

}  // namespace support
}  // namespace tvm
