// Work space that a thread keeps from call to call: grows to the largest that was asked for.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace retro::kernels {

template <typename T>
class ThreadBuffer {
 public:
  // Contents are undefined; valid until the next call. Aligned to 64 bytes.
  T* Get(size_t count) {
    if (count > size_) {
      data_.reset();
      data_.reset(static_cast<T*>(::operator new(count * sizeof(T), kAlignment)));
      size_ = count;
    }
    return data_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(T* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<T, Free> data_;
  size_t size_ = 0;
};

}  // namespace retro::kernels
