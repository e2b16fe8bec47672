//! Over the generated bindings, printing by Zig's own library on WASI preview 1.

const std = @import("std");
const wit = @import("bindings");

var total: u64 = 0;

export fn exports_demo_tongue_api_add(value: u64) u64 {
    total +%= value;
    return total;
}

export fn exports_demo_tongue_api_get() u64 {
    return total;
}

export fn exports_demo_tongue_api_describe(
    given: wit.wit_list_demo_tongue_api_item_t,
) wit.wit_result_string_string_t {
    var items = given;
    if (items.len == 0) return .{ .is_err = true, .val = .{ .err = .copy("no items") } };
    defer wit.wit_list_demo_tongue_api_item_free(&items);
    var buffer: [4096]u8 = undefined;
    var length: usize = 0;
    for (items.ptr[0..items.len], 0..) |item, at| {
        const between = if (at > 0) ", " else "";
        const parts = .{ between, item.quantity, item.name.slice() };
        const text = std.fmt.bufPrint(buffer[length..], "{s}{d} x {s}", parts) catch @panic("long");
        length += text.len;
    }
    return .{ .is_err = false, .val = .{ .ok = .copy(buffer[0..length]) } };
}

export fn exports_demo_tongue_api_turn(
    given: wit.demo_tongue_api_shape_t,
) wit.wit_option_demo_tongue_api_shape_t {
    var turned = given;
    if (given.tag == wit.DEMO_TONGUE_API_SHAPE_NOTHING) return .{ .is_some = false, .val = given };
    if (given.tag == wit.DEMO_TONGUE_API_SHAPE_CIRCLE) turned.val.circle = -given.val.circle;
    return .{ .is_some = true, .val = turned };
}

export fn exports_demo_tongue_api_say(given: wit.wit_string_t) void {
    var text = given;
    defer wit.wit_string_free(&text);
    const pieces = [_]std.os.wasi.ciovec_t{
        .{ .base = text.slice().ptr, .len = text.len },
        .{ .base = "\n", .len = 1 },
    };
    var written: usize = 0;
    if (std.os.wasi.fd_write(1, &pieces, 2, &written) != .SUCCESS) @trap();
}

export fn exports_demo_tongue_api_fail() void {
    @trap();
}
