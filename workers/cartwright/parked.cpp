#include "workers/cartwright/parked.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>

#include "common/amqp/control.hpp"
#include "common/amqp/topology.hpp"
#include "common/codec/management.hpp"
#include "common/command_line/command_line.hpp"
#include "common/crypto/digest.hpp"
#include "workers/cartwright/settings.hpp"

namespace cartwright::operating {
namespace {

using amqp::Delivery;

constexpr std::chrono::milliseconds given_back_within{5'000};
constexpr std::chrono::milliseconds look_again_after{5};

std::string text_of(const amqp::HeaderValue& value) {
    if (std::holds_alternative<amqp::ForeignValue>(value)) return "(a table, a list, or the like)";
    if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
    if (const auto* truth = std::get_if<bool>(&value)) return fmt::format("{}", *truth);
    return std::get<std::string>(value);
}

std::string header(const Delivery& message, std::string_view name) {
    for (const auto& [key, value] : message.headers) {
        if (key == name) return text_of(value);
    }
    return {};
}

/// The worker whose retry queue a replay goes to. A message that the broker itself parked names its queue
/// only.
std::string worker_of(const Delivery& message) {
    if (auto worker = header(message, "x-parked-worker"); !worker.empty()) return worker;
    const auto queue = header(message, "x-first-death-queue");
    return queue.substr(0, queue.find('.'));
}

std::string reason_of(const Delivery& message) {
    if (auto reason = header(message, "x-parked-reason"); !reason.empty()) return reason;
    const auto reason = header(message, "x-first-death-reason");
    return reason.empty() ? "unknown" : "broker:" + reason;
}

std::string id_of(const Delivery& message) {
    if (!message.message_id.empty()) return message.message_id;
    return "sha:" + crypto::hex(crypto::sha256(message.body)).substr(0, 16);
}

/// Parked messages, got one after the other and not taken. Parking has no delivery limit, so that being
/// looked at costs a message nothing.
class Parking {
  public:
    explicit Parking(amqp::Control& control) : control_(control) {
        const auto depth = control_.queue_depth("parking");
        if (!depth)
            throw outcome::StartupError("there is no queue `parking`: run `cartwright topology apply`");
        there_ = *depth;
    }

    /// At most `limit`, until `visit` says false.
    void each(std::size_t limit, const std::function<bool(const Delivery&)>& visit) {
        const auto count = std::min<std::uint64_t>(limit, there_);
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto message = control_.get("parking");
            if (!message || !visit(*message)) break;
        }
    }

    void take(const Delivery& message) {
        control_.acknowledge(message.token);
        --there_;
    }

    /// Gives back what was not taken. The broker does that some time after the connection is closed: who
    /// looks next is to find it.
    void give_back() {
        control_.close();
        const auto deadline = std::chrono::steady_clock::now() + given_back_within;
        try {
            while (control_.queue_depth("parking").value_or(there_) < there_ &&
                   std::chrono::steady_clock::now() < deadline) {
                std::this_thread::sleep_for(look_again_after);
            }
        } catch (const outcome::Unavailable&) {
            // Nobody can look now; the broker has them.
        }
        control_.close();
    }

  private:
    amqp::Control& control_;
    std::uint64_t there_ = 0;
};

void list(amqp::Control& control, std::size_t limit, bool as_json) {
    std::vector<std::vector<std::pair<std::string, codec::ManagedValue>>> rows;
    Parking parking(control);
    parking.each(limit, [&](const Delivery& message) {
        rows.push_back({{"id", id_of(message)},
                        {"worker", worker_of(message)},
                        {"reason", reason_of(message)},
                        {"detail", header(message, "x-parked-detail")},
                        {"type", message.type},
                        {"parked_at", header(message, "x-parked-at")},
                        {"bytes", static_cast<std::int64_t>(message.body.size())}});
        return true;
    });
    parking.give_back();
    if (as_json) return fmt::print("{}\n", codec::list_of(rows));
    if (rows.empty()) return fmt::print("nothing is parked\n");
    for (const auto& row : rows) {
        const auto text = [&](std::size_t column) { return std::get<std::string>(row[column].second); };
        fmt::print("{}\n    {} by {} at {}, {} bytes, {}\n    {}\n", text(0), text(2), text(1), text(5),
                   std::get<std::int64_t>(row[6].second), text(4), text(3));
    }
    fmt::print("{} parked; `cartwright parked show ID` shows one whole\n", rows.size());
}

/// Control characters and what is no UTF-8 as \xNN, so that a terminal shows them instead of obeying them.
std::string printable(const std::string& body) {
    std::string text;
    for (const char c : body) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (byte >= 0x20 && byte < 0x7f) || c == '\n' || c == '\t';
        text += plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
    }
    return text;
}

std::optional<Delivery> find(Parking& parking, const std::string& id) {
    std::optional<Delivery> found;
    parking.each(std::string::npos, [&](const Delivery& message) {
        if (id_of(message) != id) return true;
        found = message;
        return false;
    });
    return found;
}

Delivery require(Parking& parking, const std::string& id) {
    auto found = find(parking, id);
    if (!found) {
        parking.give_back();
        throw outcome::StartupError(
            fmt::format("nothing is parked under {}; see `cartwright parked list`", id));
    }
    return std::move(*found);
}

void show(amqp::Control& control, const std::string& id, bool raw) {
    Parking parking(control);
    const auto message = require(parking, id);
    parking.give_back();
    if (raw) {
        std::fwrite(message.body.data(), 1, message.body.size(), stdout);
        return;
    }
    fmt::print("id              {}\ntype            {}\ncontent type    {}\n", id_of(message), message.type,
               message.content_type);
    if (!message.content_encoding.empty()) fmt::print("encoding        {}\n", message.content_encoding);
    if (!message.reply_to.empty())
        fmt::print("reply to        {} ({})\n", message.reply_to, message.correlation_id);
    for (const auto& [key, value] : message.headers) {
        fmt::print("{:<15} {}\n", printable(key), printable(text_of(value)));
    }
    fmt::print("\n{}\n", printable(message.body));
}

amqp::Outgoing replay_of(const Delivery& message, const std::optional<std::string>& corrected) {
    const auto worker = worker_of(message);
    const auto& workers = amqp::workers_with_ladder();
    if (std::find(workers.begin(), workers.end(), worker) == workers.end()) {
        throw outcome::StartupError(
            fmt::format("{} does not say which worker it belongs to", id_of(message)));
    }
    amqp::Outgoing replay;
    replay.exchange = "retry";
    replay.routing_key = amqp::retry_queue(worker);
    replay.body = corrected.value_or(message.body);
    replay.content_type = message.content_type;
    replay.content_encoding = corrected ? "" : message.content_encoding;
    replay.message_id = message.message_id;
    replay.type = message.type;
    replay.reply_to = message.reply_to;
    replay.correlation_id = message.correlation_id;
    for (const auto& header : message.headers) {
        if (!header.first.starts_with("x-")) replay.headers.push_back(header);
    }
    return replay;
}

/// Publishes with confirm, then takes the parked copy away: a crash between the two repeats, which acts once.
void replay(amqp::Control& control, Parking& parking, const Delivery& message,
            const std::optional<std::string>& corrected) {
    if (const auto trouble = control.publish(replay_of(message, corrected))) {
        throw outcome::Unavailable(fmt::format("{} stays parked: {}", id_of(message), *trouble));
    }
    parking.take(message);
    fmt::print("replayed {} to {}\n", id_of(message), amqp::retry_queue(worker_of(message)));
}

void replay_all(amqp::Control& control, const std::string& reason) {
    std::vector<Delivery> chosen;
    Parking parking(control);
    parking.each(std::string::npos, [&](const Delivery& message) {
        if (reason.empty() || reason_of(message) == reason) chosen.push_back(message);
        return true;
    });
    for (const auto& message : chosen) replay(control, parking, message, std::nullopt);
    parking.give_back();
    fmt::print("{} replayed\n", chosen.size());
}

std::string read_body(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw outcome::StartupError(path + " can't be read");
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Options {
    std::string config, id, body, reason;
    std::size_t limit = 100;
    bool json = false, raw = false, all = false;

    std::unique_ptr<amqp::Control> control() const {
        auto settings = load_fleet(config).broker.connection;
        if (settings.url.empty()) settings.url = from_environment("AMQP_URL");
        return std::make_unique<amqp::Control>(settings);
    }
};

}  // namespace

void add_parked(command_line::Command& program, int&) {
    auto parked = program.command("parked", "Messages that failed for good: look, correct, replay");
    parked.needs_command();
    parked.footer(
        "Needs AMQP_URL. Example: take the body out, correct it, send it again:\n"
        "  cartwright parked show ID --raw > body.json\n  cartwright parked replay ID --body body.json");
    auto options = std::make_shared<Options>();
    parked.option("--config", &options->config, "The fleet's configuration file");
    auto listing = parked.command("list", "What is parked, and why");
    listing.option("--limit", &options->limit, "At most so many").show_default();
    listing.flag("--json", &options->json, "For programs");
    listing.runs([options] { list(*options->control(), options->limit, options->json); });
    auto showing = parked.command("show", "One message whole, with its history");
    showing.option("id", &options->id, "As `list` prints it").required();
    showing.flag("--raw", &options->raw, "The body alone, byte for byte");
    showing.runs([options] { show(*options->control(), options->id, options->raw); });
    auto replaying = parked.command("replay", "Give a message to its worker again");
    replaying.option("id", &options->id, "As `list` prints it");
    replaying.option("--body", &options->body, "A file with the corrected body");
    replaying.flag("--all", &options->all, "Every parked message, or those of one --reason");
    replaying.option("--reason", &options->reason, "With --all: only what was parked for this reason");
    replaying.runs([options] {
        auto control = options->control();
        if (options->all) return replay_all(*control, options->reason);
        if (options->id.empty()) throw outcome::StartupError("name an id, or --all");
        const auto corrected = options->body.empty() ? std::nullopt : std::optional(read_body(options->body));
        Parking parking(*control);
        replay(*control, parking, require(parking, options->id), corrected);
        parking.give_back();
    });
}

}  // namespace cartwright::operating
