/* wasi:sockets, called in every way: a worker that talks with itself, over the network.

   What is connected is lost in a crash, so each conversation is tried until it comes to its end. */

#include "told.h"

#define TCP(name) wasi_sockets_tcp_method_tcp_socket_##name
#define UDP(name) wasi_sockets_udp_method_udp_socket_##name
#define INCOMING(name) wasi_sockets_udp_method_incoming_datagram_stream_##name
#define OUTGOING(name) wasi_sockets_udp_method_outgoing_datagram_stream_##name
#define V4 WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4
#define WOULD_BLOCK WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK
#define TRIES_MAX 20
#define PATIENCE_NS 500000000

typedef wasi_sockets_network_ip_socket_address_t address_t;
typedef wasi_sockets_tcp_tcp_socket_t tcp_t;
typedef wasi_sockets_udp_udp_socket_t udp_t;
typedef wasi_io_streams_input_stream_t input_t;
typedef __typeof__(((__typeof__(wasi_sockets_tcp_method_tcp_socket_accept((tcp_t){0})) *)0)->val.ok)
    accepted_t;
typedef wasi_io_streams_output_stream_t output_t;

static const char *const codes[] = {
    "unknown",           "access-denied",      "not-supported",        "invalid-argument",
    "out-of-memory",     "timeout",            "concurrency-conflict", "not-in-progress",
    "would-block",       "invalid-state",      "new-socket-limit",     "address-not-bindable",
    "address-in-use",    "remote-unreachable", "connection-refused",   "connection-reset",
    "connection-aborted", "datagram-too-large", "name-unresolvable",
    "temporary-resolver-failure", "permanent-resolver-failure"};

static wasi_sockets_network_network_t network;
static tcp_t listener;
static address_t listening_at;

static address_t here(uint16_t port) {
  address_t address = {.tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV4};
  address.val.ipv4.port = port;
  address.val.ipv4.address.f0 = 127;
  address.val.ipv4.address.f3 = 1;
  return address;
}

/* Wait for one, but not for ever: the other side may be lost. */
static bool waited(wasi_io_poll_pollable_t one) {
  wasi_io_poll_pollable_t both[] = {one,
                                    wasi_clocks_monotonic_clock_subscribe_duration(PATIENCE_NS)};
  wit_list_u32_t ready = wasi_io_poll_poll((wit_list_borrow_wasi_io_poll_pollable_t){both, 2});
  bool is_first = ready.ptr[0] == 0;
  wasi_io_poll_pollable_drop(both[0]);
  wasi_io_poll_pollable_drop(both[1]);
  return is_first;
}

static void begin(void) { network = wasi_sockets_instance_network_instance_network(); }

static void denied(void) {
  begin();
  SAY_CODE(codes, wasi_sockets_tcp_create_socket_create_tcp_socket(V4));
  SAY_CODE(codes, wasi_sockets_udp_create_socket_create_udp_socket(V4));
  SAY_CODE(codes, wasi_sockets_ip_name_lookup_resolve_addresses(network, TEXT("localhost")));
}

#define TCP_OPTION(name, value)                 \
  DONE(TCP(set_##name)(socket, value));         \
  say_number(OK(TCP(name)(socket)));            \
  SAY_CODE(codes, TCP(set_##name)(socket, 0))

static void tcp_options(void) {
  tcp_t socket = OK(wasi_sockets_tcp_create_socket_create_tcp_socket(V4));
  say_number(TCP(address_family)(socket));
  TCP_OPTION(keep_alive_idle_time, 5000000000);
  TCP_OPTION(keep_alive_interval, 6000000000);
  TCP_OPTION(keep_alive_count, 7);
  TCP_OPTION(hop_limit, 8);
  TCP_OPTION(receive_buffer_size, 9000);
  TCP_OPTION(send_buffer_size, 10000);
  say_bool(OK(TCP(keep_alive_enabled)(socket)));
  DONE(TCP(set_keep_alive_enabled)(socket, true));
  say_bool(OK(TCP(keep_alive_enabled)(socket)));
  wasi_sockets_tcp_tcp_socket_drop(socket);
}

static void tcp_errors(void) {
  tcp_t socket = OK(wasi_sockets_tcp_create_socket_create_tcp_socket(V4));
  SAY_CODE(codes, TCP(finish_bind)(socket));
  SAY_CODE(codes, TCP(finish_connect)(socket));
  SAY_CODE(codes, TCP(start_listen)(socket));
  SAY_CODE(codes, TCP(finish_listen)(socket));
  SAY_CODE(codes, TCP(accept)(socket));
  SAY_CODE(codes, TCP(local_address)(socket));
  SAY_CODE(codes, TCP(remote_address)(socket));
  SAY_CODE(codes, TCP(shutdown)(socket, WASI_SOCKETS_TCP_SHUTDOWN_TYPE_BOTH));
  SAY_CODE(codes, TCP(set_listen_backlog_size)(socket, 0));
  address_t other = {.tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6};
  SAY_CODE(codes, TCP(start_bind)(socket, network, other));
  SAY_CODE(codes, TCP(start_connect)(socket, network, here(0)));
  /* Nobody listens there. */
  DONE(TCP(start_connect)(socket, network, here(1)));
  for (;;) {
    waited(TCP(subscribe)(socket));
    __auto_type failed = TCP(finish_connect)(socket);
    /* After a crash it connects once more. */
    if (failed.is_err && failed.val.err == WOULD_BLOCK) continue;
    SAY_CODE(codes, failed);
    break;
  }
  wasi_sockets_tcp_tcp_socket_drop(socket);
}

static void listen(void) {
  begin();
  listener = OK(wasi_sockets_tcp_create_socket_create_tcp_socket(V4));
  DONE(TCP(start_bind)(listener, network, here(0)));
  DONE(TCP(finish_bind)(listener));
  DONE(TCP(set_listen_backlog_size)(listener, 5));
  say_bool(TCP(is_listening)(listener));
  DONE(TCP(start_listen)(listener));
  DONE(TCP(finish_listen)(listener));
  say_bool(TCP(is_listening)(listener));
  listening_at = OK(TCP(local_address)(listener));
  say_bool(listening_at.val.ipv4.port > 0);
  SAY_CODE(codes, TCP(accept)(listener));
}

/* The network's word for what broke a stream; the other side is gone, which shows in a while. */
static bool broken(output_t out) {
  for (int i = 0; i < TRIES_MAX; i++) {
    __auto_type sent =
        wasi_io_streams_method_output_stream_blocking_write_and_flush(out, BYTES("more"));
    if (sent.is_err) {
      if (sent.val.err.tag != WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED) return false;
      wasi_io_error_error_t error = sent.val.err.val.last_operation_failed;
      __auto_type code = wasi_sockets_network_network_error_code(error);
      wasi_io_error_error_drop(error);
      say(code.is_some ? codes[code.val] : "none");
      return true;
    }
    waited(wasi_clocks_monotonic_clock_subscribe_duration(1000000));
  }
  return false;
}

static bool heard(input_t in, const char *wanted, size_t length) {
  __auto_type read = wasi_io_streams_method_input_stream_blocking_read(in, 100);
  if (read.is_err || read.val.ok.len != length) return false;
  for (size_t i = 0; i < length; i++)
    if (read.val.ok.ptr[i] != (uint8_t)wanted[i]) return false;
  return true;
}

static bool sent(output_t out, wit_list_u8_t bytes) {
  return !wasi_io_streams_method_output_stream_blocking_write_and_flush(out, bytes).is_err;
}

static bool spoken(tcp_t client, input_t client_in, output_t client_out, input_t peer_in,
                   output_t peer_out) {
  if (!sent(client_out, BYTES("ping")) || !heard(peer_in, "ping", 4)) return false;
  if (!sent(peer_out, BYTES("pong")) || !heard(client_in, "pong", 4)) return false;
  if (TCP(shutdown)(client, WASI_SOCKETS_TCP_SHUTDOWN_TYPE_SEND).is_err) return false;
  __auto_type end = wasi_io_streams_method_input_stream_blocking_read(peer_in, 100);
  return end.is_err && end.val.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
}

static void drop_accepted(accepted_t peer) {
  wasi_io_streams_input_stream_drop(peer.f1);
  wasi_io_streams_output_stream_drop(peer.f2);
  wasi_sockets_tcp_tcp_socket_drop(peer.f0);
}

/* The other side of a client's connection; before it there may be some of clients that are lost. */
static bool accepted(tcp_t client, accepted_t *peer) {
  __auto_type from = TCP(local_address)(client);
  if (from.is_err) return false;
  while (waited(TCP(subscribe)(listener))) {
    __auto_type next = TCP(accept)(listener);
    if (next.is_err) continue;
    *peer = next.val.ok;
    __auto_type to = TCP(remote_address)(peer->f0);
    if (!to.is_err && to.val.ok.val.ipv4.port == from.val.ok.val.ipv4.port) return true;
    drop_accepted(*peer);
  }
  return false;
}

/* Both sides of one connection; false: it was lost. */
static bool conversed(void) {
  __auto_type made = wasi_sockets_tcp_create_socket_create_tcp_socket(V4);
  if (made.is_err) return false;
  tcp_t client = made.val.ok;
  TCP(start_connect)(client, network, listening_at);
  bool is_there = waited(TCP(subscribe)(client));
  __auto_type connected = TCP(finish_connect)(client);
  if (!is_there || connected.is_err) {
    wasi_sockets_tcp_tcp_socket_drop(client);
    return false;
  }
  input_t in = connected.val.ok.f0;
  output_t out = connected.val.ok.f1;
  bool done = false;
  accepted_t peer = {0};
  if (accepted(client, &peer)) {
    done = spoken(client, in, out, peer.f1, peer.f2);
    drop_accepted(peer);
  }
  wasi_io_streams_input_stream_drop(in);
  wasi_io_streams_output_stream_drop(out);
  wasi_sockets_tcp_tcp_socket_drop(client);
  return done;
}

static void converse(void) {
  for (int i = 0; i < TRIES_MAX; i++)
    if (conversed()) {
      say("conversed");
      return;
    }
  say("given up");
}

static void reset(void) {
  for (int i = 0; i < TRIES_MAX; i++) {
    tcp_t client = OK(wasi_sockets_tcp_create_socket_create_tcp_socket(V4));
    DONE(TCP(start_connect)(client, network, listening_at));
    waited(TCP(subscribe)(client));
    __auto_type connected = TCP(finish_connect)(client);
    if (!connected.is_err) {
      accepted_t peer = {0};
      if (accepted(client, &peer)) drop_accepted(peer);
      bool is_told = broken(connected.val.ok.f1);
      wasi_io_streams_input_stream_drop(connected.val.ok.f0);
      wasi_io_streams_output_stream_drop(connected.val.ok.f1);
      wasi_sockets_tcp_tcp_socket_drop(client);
      if (is_told) return;
      continue;
    }
    wasi_sockets_tcp_tcp_socket_drop(client);
  }
  say("given up");
}

#define UDP_OPTION(name, value)                 \
  DONE(UDP(set_##name)(one, value));            \
  say_number(OK(UDP(name)(one)));               \
  SAY_CODE(codes, UDP(set_##name)(one, 0))

static udp_t one, two;

static void udp_begin(void) {
  one = OK(wasi_sockets_udp_create_socket_create_udp_socket(V4));
  two = OK(wasi_sockets_udp_create_socket_create_udp_socket(V4));
  SAY_CODE(codes, UDP(finish_bind)(one));
  SAY_CODE(codes, UDP(local_address)(one));
  SAY_CODE(codes, UDP(stream)(one, (wit_option_wasi_sockets_network_ip_socket_address_t){0}));
  UDP_OPTION(unicast_hop_limit, 5);
  UDP_OPTION(receive_buffer_size, 60000);
  UDP_OPTION(send_buffer_size, 70000);
  say_number(UDP(address_family)(one));
  DONE(UDP(start_bind)(one, network, here(0)));
  wasi_io_poll_pollable_t bound = UDP(subscribe)(one);
  wasi_io_poll_method_pollable_block(bound);
  wasi_io_poll_pollable_drop(bound);
  DONE(UDP(finish_bind)(one));
  DONE(UDP(start_bind)(two, network, here(0)));
  DONE(UDP(finish_bind)(two));
  SAY_CODE(codes, UDP(remote_address)(two));
}

static void udp_talk(void) {
  wit_option_wasi_sockets_network_ip_socket_address_t nobody = {0}, first = {.is_some = true};
  first.val = OK(UDP(local_address)(one));
  __auto_type of_one = OK(UDP(stream)(one, nobody));
  __auto_type of_two = OK(UDP(stream)(two, first));
  say_bool(OK(UDP(remote_address)(two)).val.ipv4.port == first.val.val.ipv4.port);
  bool is_heard = false;
  for (int i = 0; i < TRIES_MAX && !is_heard; i++) {
    wasi_io_poll_pollable_t writable = OUTGOING(subscribe)(of_two.f1);
    wasi_io_poll_method_pollable_block(writable);
    wasi_io_poll_pollable_drop(writable);
    if (!OK(OUTGOING(check_send)(of_two.f1))) continue;
    wasi_sockets_udp_outgoing_datagram_t datagram = {.data = BYTES("ping")};
    OK(OUTGOING(send)(of_two.f1, (wit_list_wasi_sockets_udp_outgoing_datagram_t){&datagram, 1}));
    if (!waited(INCOMING(subscribe)(of_one.f0))) continue;
    __auto_type come = OK(INCOMING(receive)(of_one.f0, 10));
    is_heard = come.len && come.ptr[0].data.len == 4;
  }
  say(is_heard ? "heard" : "given up");
  /* To nobody, and more than a datagram holds. */
  wasi_sockets_udp_outgoing_datagram_t wrong = {.data = BYTES("ping")};
  SAY_CODE(codes,
           OUTGOING(send)(of_one.f1, (wit_list_wasi_sockets_udp_outgoing_datagram_t){&wrong, 1}));
  wrong = (wasi_sockets_udp_outgoing_datagram_t){.data = {wit_alloc(70000), 70000}};
  wrong.remote_address = first;
  SAY_CODE(codes,
           OUTGOING(send)(of_one.f1, (wit_list_wasi_sockets_udp_outgoing_datagram_t){&wrong, 1}));
  wasi_sockets_udp_incoming_datagram_stream_drop(of_one.f0);
  wasi_sockets_udp_outgoing_datagram_stream_drop(of_one.f1);
  wasi_sockets_udp_incoming_datagram_stream_drop(of_two.f0);
  wasi_sockets_udp_outgoing_datagram_stream_drop(of_two.f1);
}

static void names(void) {
  begin();
  SAY_CODE(codes, wasi_sockets_ip_name_lookup_resolve_addresses(network, TEXT("a b")));
  __auto_type stream =
      OK(wasi_sockets_ip_name_lookup_resolve_addresses(network, TEXT("localhost")));
  wasi_io_poll_pollable_t found =
      wasi_sockets_ip_name_lookup_method_resolve_address_stream_subscribe(stream);
  wasi_io_poll_method_pollable_block(found);
  wasi_io_poll_pollable_drop(found);
  int count = 0;
  for (;;) {
    __auto_type next =
        wasi_sockets_ip_name_lookup_method_resolve_address_stream_resolve_next_address(stream);
    /* After a crash the name is looked up again. */
    if (next.is_err && next.val.err == WOULD_BLOCK) {
      waited(wasi_sockets_ip_name_lookup_method_resolve_address_stream_subscribe(stream));
      continue;
    }
    if (!OK(next).is_some) break;
    count++;
  }
  say_bool(count > 0);
  wasi_sockets_ip_name_lookup_resolve_address_stream_drop(stream);
}

PARTS({"denied", denied}, {"tcp-options", tcp_options}, {"tcp-errors", tcp_errors},
      {"listen", listen}, {"converse", converse}, {"reset", reset}, {"udp-begin", udp_begin},
      {"udp-talk", udp_talk}, {"names", names})
