#include "common/catalogue/tags.hpp"

#include <doctest/doctest.h>

using cartwright::catalogue::split_tags;

TEST_CASE("tags are separated by commas, blanks around them do not count") {
    using Tags = std::vector<std::string>;
    CHECK(split_tags("") == Tags{});
    CHECK(split_tags("one") == Tags{"one"});
    CHECK(split_tags("one,two") == Tags{"one", "two"});
    CHECK(split_tags(" one , two words ,,  ,three,") == Tags{"one", "two words", "three"});
    CHECK(split_tags(",") == Tags{});
}
