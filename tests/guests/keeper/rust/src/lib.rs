//! The same as `keeper.c` in Rust, with its own allocator.

use std::cell::{Cell, RefCell};

wit_bindgen::generate!({ path: "wit" });

use exports::demo::keeper::api::Guest;
use exports::golem::api::load_snapshot::Guest as Load;
use exports::golem::api::save_snapshot::Guest as Save;

thread_local! {
    static TOTAL: Cell<u64> = const { Cell::new(0) };
    static LOADED: Cell<u32> = const { Cell::new(0) };
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

struct Keeper;

impl Guest for Keeper {
    fn add(value: u64) -> u64 {
        TOTAL.set(TOTAL.get().wrapping_add(value));
        TOTAL.get()
    }

    fn get() -> u64 {
        TOTAL.get()
    }

    fn keep(size: u32) -> u32 {
        KEPT.with_borrow_mut(|kept| {
            kept.push(vec![1; size as usize]);
            kept.iter().map(|each| each.len() as u32).sum()
        })
    }

    fn has_room(size: u32) -> bool {
        Vec::<u8>::new().try_reserve_exact(size as usize).is_ok()
    }

    fn spoil() {
        panic!("as was asked");
    }

    fn loads() -> u32 {
        LOADED.get()
    }
}

impl Save for Keeper {
    fn save() -> Vec<u8> {
        assert_ne!(TOTAL.get(), 13, "it cannot be said");
        TOTAL.get().to_string().into_bytes()
    }
}

impl Load for Keeper {
    fn load(bytes: Vec<u8>) -> Result<(), String> {
        LOADED.set(LOADED.get() + 1);
        let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
        TOTAL.set(text.parse().map_err(|_| format!("{text}?"))?);
        if TOTAL.get() == 17 { Err("17?".to_string()) } else { Ok(()) }
    }
}

export!(Keeper);
