#include <cstdio>

#include "check.hpp"

int main() {
    for (const check::Test& test : check::tests()) {
        std::printf("%s\n", test.name);
        test.run();
    }
    std::printf("%zu tests, %d failed checks\n", check::tests().size(), check::failures());
    return check::failures() == 0 ? 0 : 1;
}
