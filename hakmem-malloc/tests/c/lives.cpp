/* Objects of threads, and pthread's keys, whose destructors allocate and free; some of them run when hakmem has torn
 * down the thread's heap. */
#include <atomic>
#include <memory>
#include <pthread.h>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

static std::atomic<int> destroyed, late;
static pthread_key_t key;

struct Tangled {
    std::vector<std::string> texts{"made while the thread runs, and longer than what a string holds in itself"};
    ~Tangled() {
        for (size_t i = 0; i < 200; i++) {
            texts.push_back(std::string(i * 17, 'x'));
        }
        for (size_t i = 0; i < 200; i++) {
            CHECK(texts[i + 2] == std::string(i * 17, 'x'));
        }
        texts.clear();
        destroyed++;
    }
};

static thread_local Tangled tangled;
static thread_local std::unique_ptr<std::vector<int>> large;

/* Asks to be called again: keys' destructors run in rounds, hakmem's own in the first. */
static void at_end(void *value) {
    auto *numbers = static_cast<std::vector<int> *>(value);
    CHECK(numbers->size() == 1000 && numbers->back() == 7);
    int round = numbers->front();
    delete numbers;
    if (round < 3) {
        numbers = new std::vector<int>(1000, 7);
        numbers->front() = round + 1;
        CHECK(pthread_setspecific(key, numbers) == 0);
    } else {
        std::string large_text(300000, 'y');
        CHECK(large_text[299999] == 'y');
        late++;
    }
}

int main() {
    CHECK(pthread_key_create(&key, at_end) == 0);
    const int rounds = 25, threads = 8;
    for (int round = 0; round < rounds; round++) {
        std::vector<std::thread> all;
        for (int i = 0; i < threads; i++) {
            all.emplace_back([] {
                tangled.texts.push_back("made later");
                large = std::make_unique<std::vector<int>>(5000000 + 100000);
                auto *numbers = new std::vector<int>(1000, 7);
                numbers->front() = 1;
                CHECK(pthread_setspecific(key, numbers) == 0);
            });
        }
        for (auto &thread : all) {
            thread.join();
        }
    }
    CHECK(destroyed == rounds * threads && late == rounds * threads);
    puts("every destructor ran");
    return 0;
}
