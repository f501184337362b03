// SPDX-License-Identifier: Apache-2.0
/// Scratch memory that starts a cache line, so that no register of it lies in two.
#pragma once

#include <cstddef>
#include <memory>

namespace tersevec {

/// `count` numbers, not initialised.
template <class T>
class Lines {
public:
    explicit Lines(std::size_t count) : all_(new T[count + line_bytes / sizeof(T)]) {}
    T* data() const noexcept {
        void* start = all_.get();
        std::size_t space = line_bytes;
        return static_cast<T*>(std::align(line_bytes, 0, start, space));
    }

private:
    static constexpr std::size_t line_bytes = 64;
    std::unique_ptr<T[]> all_;
};

}  // namespace tersevec
