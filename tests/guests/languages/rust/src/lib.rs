//! Over the bindings that wit-bindgen makes, printing by Rust's own library on WASI 0.2.

use std::cell::Cell;

wit_bindgen::generate!({ path: "wit" });

use exports::demo::tongue::api::{Guest, Item, Shape};

thread_local! {
    static TOTAL: Cell<u64> = const { Cell::new(0) };
}

struct Tongue;

impl Guest for Tongue {
    fn add(value: u64) -> u64 {
        TOTAL.set(TOTAL.get().wrapping_add(value));
        TOTAL.get()
    }

    fn get() -> u64 {
        TOTAL.get()
    }

    fn describe(items: Vec<Item>) -> Result<String, String> {
        if items.is_empty() {
            return Err("no items".to_string());
        }
        let each = items.iter().map(|item| format!("{} x {}", item.quantity, item.name));
        Ok(each.collect::<Vec<_>>().join(", "))
    }

    fn turn(given: Shape) -> Option<Shape> {
        match given {
            Shape::Nothing => None,
            Shape::Circle(radius) => Some(Shape::Circle(-radius)),
            other => Some(other),
        }
    }

    fn say(text: String) {
        println!("{text}");
    }

    fn fail() {
        panic!("as was asked");
    }
}

export!(Tongue);
