// A test harness in one page: TEST("name") { CHECK(a == b); }; main runs them all.
#pragma once

#include <cstdio>
#include <vector>

namespace check {

struct Test {
    const char* name;
    void (*run)();
};

inline std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

inline int& failures() {
    static int count = 0;
    return count;
}

struct Registered {
    Registered(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

inline void fail(const char* file, int line, const char* what) {
    std::fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    ++failures();
}

}  // namespace check

#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)

#define TEST(name)                                                                       \
    static void CHECK_JOIN(test_, __LINE__)();                                           \
    static const check::Registered CHECK_JOIN(registered_, __LINE__)(name, CHECK_JOIN(test_, __LINE__)); \
    static void CHECK_JOIN(test_, __LINE__)()

#define CHECK(condition)                                                   \
    do {                                                                   \
        if (!(condition)) check::fail(__FILE__, __LINE__, #condition);     \
    } while (false)

#define CHECK_THROWS(expression, exception)                                              \
    do {                                                                                 \
        bool thrown = false;                                                             \
        try {                                                                            \
            (void)(expression);                                                          \
        } catch (const exception&) {                                                     \
            thrown = true;                                                               \
        }                                                                                \
        if (!thrown) check::fail(__FILE__, __LINE__, #expression " throws " #exception); \
    } while (false)
