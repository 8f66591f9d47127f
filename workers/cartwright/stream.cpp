#include "workers/cartwright/stream.hpp"

#include <fmt/format.h>

#include <memory>

#include "common/amqp/control.hpp"
#include "common/codec/management.hpp"
#include "common/command_line/command_line.hpp"
#include "common/message/event.hpp"
#include "workers/cartwright/rules.hpp"
#include "workers/cartwright/settings.hpp"
#include "workers/cartwright/streams.hpp"

namespace cartwright::operating {
namespace {

using routing::StreamKey;

struct Options {
    std::string config, seller, stream = "main", to, by, reason, held_for;
    std::int64_t number = 0, from = 0;
    std::size_t limit = 100;
    bool json = false, held = false, all = false, may_double = false;

    StreamKey key() const { return {SellerId(seller), StreamName(stream)}; }
    Decision decision() const { return {by, reason, may_double}; }
    Streams streams() const {
        auto url = load_fleet(config).postgres.url;
        return Streams(url.empty() ? from_environment("POSTGRES_URL") : url);
    }
};

/// The message that a stream waits for goes to the routers once more: somebody has to ring.
void ring(const Options& options, Streams& streams, const StreamKey& stream) {
    const auto state = streams.find(stream);
    const auto waiting = state ? streams.message(stream, state->delivered + 1) : std::nullopt;
    if (!waiting) return;
    auto settings = load_fleet(options.config).broker.connection;
    if (settings.url.empty()) settings.url = from_environment("AMQP_URL");
    amqp::Control control(settings);
    amqp::Outgoing doorbell;
    doorbell.exchange = "seller-messages";
    doorbell.routing_key = "seller.message";
    doorbell.type = waiting->type;
    doorbell.body = waiting->body;
    if (const auto trouble = control.publish(doorbell))
        fmt::print("not rung ({}): the routers' sweep finds it within seconds\n", *trouble);
}

std::string where(const StreamState& state) {
    if (state.next_from == 0) return state.destination.empty() ? "nowhere yet" : state.destination;
    return fmt::format("{}, from {} on {}", state.destination, state.next_from, state.next_destination);
}

std::string how(const StreamState& state) {
    if (state.held_for.empty()) return state.leased ? "being delivered" : "waiting";
    if (state.for_good) return state.held_for + ", until it is resumed";
    return fmt::format("{}, tried again at {}", state.held_for, state.next_attempt_at);
}

void list(const Options& options) {
    auto streams = options.streams();
    const auto states = streams.list(options.seller, options.held, options.limit);
    if (options.json) {
        std::vector<std::vector<std::pair<std::string, codec::ManagedValue>>> rows;
        for (const auto& state : states) {
            rows.push_back({{"seller", state.stream.seller_id.str()},
                            {"stream", state.stream.stream.str()},
                            {"delivered", state.delivered},
                            {"assigned", state.assigned},
                            {"destination", state.destination},
                            {"next_destination", state.next_destination},
                            {"next_from", state.next_from},
                            {"held_for", state.held_for},
                            {"until_resumed", std::int64_t{state.for_good}},
                            {"failing_since", state.failing_since},
                            {"next_attempt_at", state.next_attempt_at},
                            {"oldest_waiting_since", state.oldest_waiting_since},
                            {"trouble", state.trouble}});
        }
        return fmt::print("{}\n", codec::list_of(rows));
    }
    if (states.empty()) return fmt::print("every stream is delivered\n");
    for (const auto& state : states) {
        fmt::print("{} {}\n    {} of {} delivered to {}; {}\n", state.stream.seller_id, state.stream.stream,
                   state.delivered, state.assigned, where(state), how(state));
        if (!state.trouble.empty()) fmt::print("    {}\n", state.trouble);
        if (!state.oldest_waiting_since.empty())
            fmt::print("    waiting since {}\n", state.oldest_waiting_since);
    }
    fmt::print("{} streams with messages to deliver; `cartwright stream show SELLER [STREAM]` tells more\n",
               states.size());
}

StreamState require(Streams& streams, const StreamKey& stream) {
    auto state = streams.find(stream);
    if (!state)
        throw outcome::StartupError(
            fmt::format("seller {} has no stream {}", stream.seller_id, stream.stream));
    return std::move(*state);
}

void show(const Options& options) {
    auto streams = options.streams();
    const auto state = require(streams, options.key());
    fmt::print(
        "seller          {}\nstream          {}\ndelivered       {} of {}\ndestination     {}\nstate         "
        "  {}\n",
        state.stream.seller_id, state.stream.stream, state.delivered, state.assigned, where(state),
        state.delivered == state.assigned ? "everything is delivered" : how(state));
    if (!state.failing_since.empty())
        fmt::print("failing since   {}, {} times in a row\n", state.failing_since, state.attempts);
    if (!state.trouble.empty()) fmt::print("trouble         {}\n", state.trouble);
    if (state.refused > 0) fmt::print("refused         number {}\n", state.refused);
    if (state.doubtful > state.delivered)
        fmt::print("doubtful        numbers up to {} may have arrived\n", state.doubtful);
    if (const auto waiting = streams.message(state.stream, state.delivered + 1))
        fmt::print("waits for       number {}, {} of order {}\n", waiting->number, waiting->type,
                   waiting->order_id);
    for (const auto& past : streams.switches(state.stream))
        fmt::print("switched        at {} from {} to {} by {}: {} ({})\n", past.from, past.previous,
                   past.destination, past.decided_by, past.reason, past.decided_at);
    for (const auto& past : streams.voids(state.stream))
        fmt::print("voided          number {}, {}, by {}: {} ({})\n", past.number, past.type, past.voided_by,
                   past.reason, past.voided_at);
}

void resume(const Options& options) {
    auto streams = options.streams();
    std::vector<StreamKey> chosen;
    if (options.all) {
        for (const auto& state : streams.list(options.seller, true, std::size_t{1'000'000})) {
            if (options.held_for.empty() || state.held_for == options.held_for)
                chosen.push_back(state.stream);
        }
    } else {
        if (options.seller.empty()) throw outcome::StartupError("name a seller, or --all");
        chosen.push_back(require(streams, options.key()).stream);
    }
    for (const auto& stream : chosen) {
        streams.resume(stream);
        ring(options, streams, stream);
        fmt::print("resumed {} {}\n", stream.seller_id, stream.stream);
    }
    if (options.all) fmt::print("{} resumed\n", chosen.size());
}

void give_up(const Options& options) {
    auto streams = options.streams();
    streams.replace(require(streams, options.key()).stream, options.number, options.decision());
    ring(options, streams, options.key());
    fmt::print("number {} is voided; the seller gets `{}` in its place\n", options.number,
               message::type::seller_voided);
}

/// A switch leaves behind what an endpoint may have taken, and everything waits for that.
void say_what_stays(const StreamState& state) {
    const auto first = state.delivered + 1, last = state.next_from - 1;
    if (first > last || routing::is_queue(state.destination)) return;
    const bool one = first == last;
    const auto what =
        one ? fmt::format("number {} stays", first) : fmt::format("numbers {} to {} stay", first, last);
    const auto* them = one ? "it" : "them";
    fmt::print(
        "{} with {}, which is being called or gave no answer; everything behind waits.\n"
        "To move {} too: the same with --to {} --from {}, and --may-double while {} may have taken {}\n",
        what, state.destination, them, state.next_destination, first, state.destination, them);
}

void redirect(const Options& options) {
    auto streams = options.streams();
    const auto state = require(streams, options.key());
    const auto rules = rules_of_fleet(options.config);
    auto to = options.to;
    if (to.empty()) {
        const auto* now = rules.destination(state.destination);
        if (now == nullptr || !now->fallback)
            throw outcome::StartupError(
                fmt::format("{} has no fallback in the rules: say --to DESTINATION", state.destination));
        to = now->fallback->to;
    }
    if (rules.destination(to) == nullptr)
        throw outcome::StartupError(
            fmt::format("the rules have no destination {}: give their configuration with --config", to));
    const auto from = options.from > 0 ? std::optional(options.from) : std::nullopt;
    const auto recorded = streams.redirect(state.stream, to, from, options.decision());
    ring(options, streams, state.stream);
    fmt::print("from number {} on {} {} goes to {}; before that to {}\n", recorded.from,
               state.stream.seller_id, state.stream.stream, recorded.destination, recorded.previous);
    say_what_stays(require(streams, state.stream));
}

void name_stream(command_line::Command command, const std::shared_ptr<Options>& options,
                 bool seller_required) {
    auto seller = command.option("seller", &options->seller, "The seller's id");
    if (seller_required) seller.required();
    command.option("stream", &options->stream, "The stream's name").show_default();
}

void ask_who(command_line::Command command, const std::shared_ptr<Options>& options) {
    command.option("--by", &options->by, "Who decides it; is recorded").required();
    command.option("--reason", &options->reason, "Why; is recorded").required();
    command.flag("--may-double", &options->may_double,
                 "Although a destination may have taken the numbers already");
}

}  // namespace

void add_stream(command_line::Command& program, int&) {
    auto stream =
        program.command("stream", "Sellers' numbered messages: what waits, and what to do about it");
    stream.needs_command();
    stream.footer(
        "Needs POSTGRES_URL, and AMQP_URL to ring the routers. What holds a stream:\n"
        "  failing      its destination fails; it is tried again with growing pauses\n"
        "  full         its queue is too deep; it is tried again\n"
        "  refused      its endpoint refuses a message for good: `resume` once that is mended, or `void`\n"
        "  gone         its endpoint answered 410: `resume`, or `switch` to another destination\n"
        "  unknown_destination   the rules lost it: put it back, or `switch`\n"
        "Example: cartwright stream void acme main 17 --by kim --reason \"unknown category\"");
    auto options = std::make_shared<Options>();
    stream.option("--config", &options->config, "The fleet's configuration file");
    auto listing = stream.command("list", "Streams with messages to deliver, oldest first");
    listing.option("--seller", &options->seller, "Of one seller");
    listing.flag("--held", &options->held, "Only those that are held");
    listing.option("--limit", &options->limit, "At most so many").show_default();
    listing.flag("--json", &options->json, "For programs");
    listing.runs([options] { list(*options); });
    auto showing = stream.command("show", "One stream with its history");
    name_stream(showing, options, true);
    showing.runs([options] { show(*options); });
    auto resuming = stream.command("resume", "Try a held stream again at once");
    name_stream(resuming, options, false);
    resuming.flag("--all", &options->all, "Every held stream, or those of one --held-for");
    resuming.option("--held-for", &options->held_for, "With --all: refused, gone, failing …");
    resuming.runs([options] { resume(*options); });
    auto voiding = stream.command("void", "Replace the message that a stream waits for, same number");
    voiding.option("seller", &options->seller, "The seller's id").required();
    voiding.option("stream", &options->stream, "The stream's name").required();
    voiding.option("number", &options->number, "The message's number").required();
    ask_who(voiding, options);
    voiding.runs([options] { give_up(*options); });
    auto switching = stream.command("switch", "Send a stream elsewhere from a number on");
    name_stream(switching, options, true);
    switching.option("--to", &options->to,
                     "A destination of the rules; default: the fallback of the present one");
    switching.option("--from", &options->from,
                     "First number that goes there; default: the first untried one");
    ask_who(switching, options);
    switching.runs([options] { redirect(*options); });
}

}  // namespace cartwright::operating
