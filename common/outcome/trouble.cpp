#include "common/outcome/trouble.hpp"

#include <cstdio>
#include <cstdlib>

namespace cartwright::outcome {

void die_of_bug(const char* expression, const char* file, int line) {
    std::fprintf(
        stderr,
        "{\"level\":\"fatal\",\"event\":\"assertion_failed\",\"expression\":\"%s\",\"at\":\"%s:%d\"}\n",
        expression, file, line);
    std::abort();
}

}  // namespace cartwright::outcome
