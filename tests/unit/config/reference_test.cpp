#include <doctest/doctest.h>

#include "tests/unit/config/example.hpp"

using namespace example;

TEST_CASE("the table has every key with its default, range and meaning") {
    Service service;
    service.url = "amqp://user:hidden@host";
    service.pool.lanes = 7;
    CHECK(config::reference(service) ==
          R"(| Key | Default | Range | Meaning |
|---|---|---|---|
| `name` | `main` | text | Its name. |
| `enabled` | `true` | true, false | Off \| on. |
| `level` | `info` | debug, info, warn | Lines below it are left out. |
| `queues` | `[a, b]` | list of text | Where it listens. |
| `delays_ms` | `[1000, 5000]` | each 1 to 3600000 | Rungs. |
| `url` | from `EXAMPLE_URL` or `EXAMPLE_URL_FILE` | text | The broker. |
| `pool` |  | section | Lanes. |
| `pool.lanes` | `7` | 1 to 64 | Threads with a connection each. |
| `pool.batch_max` | `500` | 1 to 10000 | Members of a transaction. |
| `pool.idle_limit_ms` | `30000` | 100 to 600000 | Then it is closed. |
| `rules` | 0 items | list of at most 3 | In order. |
| `rules[].match` | (empty) | text | What it is about. |
| `rules[].weight` | `1` | 0 to 10 | How much. |
)");
    CHECK(service.rules.empty());
}
