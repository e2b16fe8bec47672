/* The Python guest `remote`, in C: does things for others, and calls others in every way. */

#include "mate.h"

#define CLIENT(name) demo_remote_client_remote_client_##name
#define API(name) exports_demo_remote_api_##name
#define EXTRA(name) exports_demo_remote_extra_##name
#define DRIVE(name) exports_demo_driven_mate_drive_##name

/* What a worker does for others. */

#define NOTES_MAX 16

static uint64_t total;
static uint32_t carts;
static wit_string_t notes[NOTES_MAX];
static size_t noted;

uint64_t API(add)(uint64_t value) { return total += value; }

uint64_t API(get)(void) { return total; }

/* It does not sleep: nobody here waits for that. */
uint64_t API(slowly)(uint64_t value, uint64_t ms) {
  (void)ms;
  return API(add)(value);
}

void API(note)(wit_string_t text) {
  if (noted == NOTES_MAX) __builtin_trap();
  notes[noted++] = text;
}

wit_list_string_t API(notes)(void) {
  wit_list_string_t told = {wit_alloc((noted + 1) * sizeof(wit_string_t)), noted};
  for (size_t i = 0; i < noted; i++) told.ptr[i] = wit_string_copy(notes[i].ptr, notes[i].len);
  return told;
}

uint64_t API(fail)(void) { __builtin_trap(); }

wit_result_u64_demo_remote_shapes_entry_t API(refuse)(demo_remote_shapes_entry_t why) {
  wit_result_u64_demo_remote_shapes_entry_t refused = {.is_err = true};
  refused.val.err = why;
  return refused;
}

wit_list_wit_tuple2_string_string_t API(environment)(void) {
  return (wit_list_wit_tuple2_string_string_t){wit_alloc(8), 0};
}

struct exports_demo_remote_api_cart_state {
  wit_string_t owner;
  wit_list_demo_remote_shapes_entry_t kept;
};

typedef struct exports_demo_remote_api_cart_state cart_state;

static demo_remote_shapes_entry_t copied(demo_remote_shapes_entry_t entry) {
  wit_string_t name = wit_string_copy(entry.name.ptr, entry.name.len);
  return (demo_remote_shapes_entry_t){name, entry.amount};
}

static void keep(cart_state *cart, demo_remote_shapes_entry_t entry) {
  demo_remote_shapes_entry_t *more = wit_alloc((cart->kept.len + 1) * sizeof entry);
  for (size_t i = 0; i < cart->kept.len; i++) more[i] = cart->kept.ptr[i];
  more[cart->kept.len] = entry;
  wit_free(cart->kept.ptr);
  cart->kept.ptr = more;
  cart->kept.len++;
}

API(cart_t) API(constructor_cart)(wit_string_t owner) {
  cart_state *cart = wit_alloc(sizeof *cart);
  cart->owner = owner;
  cart->kept = (wit_list_demo_remote_shapes_entry_t){wit_alloc(8), 0};
  carts++;
  return API(cart_new)(cart);
}

void API(cart_destructor)(cart_state *cart) {
  wit_string_free(&cart->owner);
  wit_list_demo_remote_shapes_entry_free(&cart->kept);
  wit_free(cart);
}

uint32_t API(method_cart_put)(cart_state *cart, demo_remote_shapes_entry_t entry) {
  keep(cart, entry);
  return cart->kept.len;
}

wit_list_demo_remote_shapes_entry_t API(method_cart_entries)(cart_state *cart) {
  size_t size = (cart->kept.len + 1) * sizeof(demo_remote_shapes_entry_t);
  wit_list_demo_remote_shapes_entry_t told = {wit_alloc(size), cart->kept.len};
  for (size_t i = 0; i < told.len; i++) told.ptr[i] = copied(cart->kept.ptr[i]);
  return told;
}

wit_string_t API(method_cart_owner)(cart_state *cart) {
  return wit_string_copy(cart->owner.ptr, cart->owner.len);
}

API(cart_t) API(method_cart_copy)(cart_state *cart) {
  API(cart_t) made = API(constructor_cart)(API(method_cart_owner)(cart));
  cart_state *twin = API(cart_state)(made);
  for (size_t i = 0; i < cart->kept.len; i++) keep(twin, copied(cart->kept.ptr[i]));
  return made;
}

uint32_t API(static_cart_merge)(cart_state *into, API(cart_t) other) {
  cart_state *from = API(cart_state)(other);
  for (size_t i = 0; i < from->kept.len; i++) keep(into, copied(from->kept.ptr[i]));
  API(cart_drop)(other);
  return into->kept.len;
}

uint32_t API(carts)(void) { return carts; }

struct exports_demo_remote_extra_coupon_state {
  uint32_t redeemed;
};

EXTRA(coupon_t) EXTRA(constructor_coupon)(void) {
  EXTRA(coupon_state_t) *coupon = wit_alloc(sizeof *coupon);
  coupon->redeemed = 0;
  return EXTRA(coupon_new)(coupon);
}

void EXTRA(coupon_destructor)(EXTRA(coupon_state_t) *coupon) { wit_free(coupon); }

uint32_t EXTRA(method_coupon_redeem)(EXTRA(coupon_state_t) *coupon) { return ++coupon->redeemed; }

/* Calling others. The first argument is whom. */

static wit_list_u64_t numbers(size_t count, const uint64_t *given) {
  wit_list_u64_t told = {wit_alloc(count * sizeof *given), count};
  for (size_t i = 0; i < count; i++) told.ptr[i] = given[i];
  return told;
}

#define TELL(...)                         \
  do {                                    \
    const uint64_t told[] = {__VA_ARGS__}; \
    return numbers(sizeof told / 8, told); \
  } while (0)

wit_list_u64_t DRIVE(blocking)(wit_string_t worker) {
  CLIENT(api_t) other = CLIENT(constructor_api)(worker);
  uint64_t first = CLIENT(method_api_blocking_add)(other, 5);
  uint64_t second = CLIENT(method_api_blocking_add)(other, 5);
  CLIENT(api_drop)(other);
  TELL(first, second);
}

static uint64_t wait_for(CLIENT(future_add_result_t) future) {
  wasi_io_poll_pollable_t pollable = CLIENT(method_future_add_result_subscribe)(future);
  wit_list_borrow_wasi_io_poll_pollable_t all = {&pollable, 1};
  wit_list_u32_t ready = wasi_io_poll_poll(all);
  wit_list_u32_free(&ready);
  wasi_io_poll_pollable_drop(pollable);
  wit_option_u64_t got = CLIENT(method_future_add_result_get)(future);
  CLIENT(future_add_result_drop)(future);
  /* It was said to be ready. */
  if (!got.is_some) __builtin_trap();
  return got.val;
}

wit_list_u64_t DRIVE(futures)(wit_string_t worker) {
  CLIENT(api_t) other = CLIENT(constructor_api)(worker);
  CLIENT(future_add_result_t) first = CLIENT(method_api_add)(other, 1);
  CLIENT(future_add_result_t) second = CLIENT(method_api_add)(other, 2);
  CLIENT(future_add_result_t) unwanted = CLIENT(method_api_add)(other, 4);
  CLIENT(future_add_result_drop)(unwanted);
  uint64_t last = wait_for(second);
  uint64_t before = wait_for(first);
  CLIENT(api_drop)(other);
  TELL(before, last);
}

wit_list_u64_t DRIVE(forget)(wit_string_t worker) {
  CLIENT(api_t) other = CLIENT(constructor_api)(worker);
  CLIENT(method_api_note)(other, wit_string("a"));
  CLIENT(method_api_note)(other, wit_string("b"));
  CLIENT(api_drop)(other);
  TELL(0);
}

static wasi_clocks_wall_clock_datetime_t in_seconds(uint64_t seconds) {
  wasi_clocks_wall_clock_datetime_t now = wasi_clocks_wall_clock_now();
  now.seconds += seconds;
  return now;
}

wit_list_u64_t DRIVE(scheduled)(wit_string_t worker) {
  CLIENT(api_t) other = CLIENT(constructor_api)(worker);
  golem_rpc_types_cancellation_token_t token =
      CLIENT(method_api_schedule_add)(other, 10, in_seconds(5));
  golem_rpc_types_cancellation_token_drop(token);
  CLIENT(api_drop)(other);
  TELL(0);
}

wit_list_u64_t DRIVE(cancelled)(wit_string_t worker) {
  CLIENT(api_t) other = CLIENT(constructor_api)(worker);
  golem_rpc_types_cancellation_token_t token =
      CLIENT(method_api_schedule_add)(other, 100, in_seconds(60));
  golem_rpc_types_method_cancellation_token_cancel(token);
  golem_rpc_types_cancellation_token_drop(token);
  CLIENT(api_drop)(other);
  TELL(0);
}

wit_list_u64_t DRIVE(by_id)(uint64_t high, uint64_t low, wit_string_t worker) {
  golem_rpc_types_worker_id_t id = {{{high, low}}, worker};
  CLIENT(api_t) other = CLIENT(static_api_custom)(id);
  uint64_t sum = CLIENT(method_api_blocking_add)(other, 3);
  CLIENT(api_drop)(other);
  TELL(sum);
}

wit_list_u64_t DRIVE(resources)(wit_string_t worker) {
  CLIENT(cart_t) cart = CLIENT(constructor_cart)(worker, wit_string("ann"));
  demo_remote_shapes_entry_t x = {wit_string("x"), 1};
  uint64_t first = CLIENT(method_cart_blocking_put)(cart, x);
  uint64_t second = CLIENT(method_cart_blocking_put)(cart, x);
  wit_string_t owner = CLIENT(method_cart_blocking_owner)(cart);
  uint64_t length = owner.len;
  wit_string_free(&owner);
  CLIENT(cart_drop)(cart);
  CLIENT(coupon_t) coupon = CLIENT(constructor_coupon)(worker);
  uint64_t redeemed = CLIENT(method_coupon_blocking_redeem)(coupon);
  CLIENT(coupon_drop)(coupon);
  TELL(first, second, length, redeemed);
}

wit_list_u64_t DRIVE(static_functions)(wit_string_t worker) {
  CLIENT(cart_t) into = CLIENT(constructor_cart)(worker, wit_string("ann"));
  CLIENT(cart_t) other = CLIENT(constructor_cart)(worker, wit_string("bob"));
  demo_remote_shapes_entry_t x = {wit_string("x"), 1};
  CLIENT(method_cart_blocking_put)(into, x);
  CLIENT(method_cart_blocking_put)(other, x);
  uint64_t merged = CLIENT(method_cart_blocking_merge)(into, into, other);
  CLIENT(cart_drop)(into);
  TELL(merged);
}

wit_list_u64_t DRIVE(ephemeral)(uint64_t high, uint64_t low) {
  golem_rpc_types_component_id_t id = {{high, low}};
  golem_rpc_types_wasm_rpc_t others = golem_rpc_types_static_wasm_rpc_ephemeral(id);
  golem_rpc_types_wit_node_t node = {.tag = GOLEM_RPC_TYPES_WIT_NODE_PRIM_U64};
  node.val.prim_u64 = 5;
  golem_rpc_types_wit_value_t value = {{&node, 1}};
  wit_list_golem_rpc_types_wit_value_t params = {&value, 1};
  uint64_t told[2];
  for (int i = 0; i < 2; i++) {
    wit_result_golem_rpc_types_wit_value_golem_rpc_types_rpc_error_t got =
        golem_rpc_types_method_wasm_rpc_invoke_and_await(others, wit_string("add"), params);
    /* One that dies in the middle says so. */
    told[i] = got.is_err ? 0 : got.val.ok.nodes.ptr[0].val.prim_u64;
    wit_result_golem_rpc_types_wit_value_golem_rpc_types_rpc_error_free(&got);
  }
  golem_rpc_types_wasm_rpc_drop(others);
  return numbers(2, told);
}
