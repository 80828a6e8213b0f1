// A C++ program: threads, futures, exceptions, the file system.
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace fs = std::filesystem;

int main() {
  std::vector<std::future<long>> parts;
  for (long from = 0; from < 4; from++) {
    parts.push_back(std::async(std::launch::async, [from] {
      std::vector<long> numbers(1000);
      std::iota(numbers.begin(), numbers.end(), from * 1000);
      return std::accumulate(numbers.begin(), numbers.end(), 0L);
    }));
  }
  long sum = 0;
  for (auto &part : parts) sum += part.get();
  assert(sum == 7998000);

  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::lock_guard lock(mutex);
    ready = true;
    changed.notify_one();
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready; });
  }
  other.join();

  bool caught = false;
  try {
    std::async(std::launch::async, [] { throw std::runtime_error("thrown in a thread"); }).get();
  } catch (const std::runtime_error &) {
    caught = true;
  }
  assert(caught);

  fs::create_directories("deep/er");
  std::ofstream("deep/er/file") << "text";
  fs::copy("deep", "copy", fs::copy_options::recursive);
  fs::rename("copy/er/file", "copy/er/moved");
  assert(fs::file_size("copy/er/moved") == 4 && fs::remove_all("deep") == 3);
  std::cout << "c++ ok" << std::endl;
}
