//! Any bytes as update lines of one item: no panic, and never more memory than an item may have.
//! `cargo +nightly fuzz run values`

#![no_main]

use arena::lightstreamer::frame::Frame;
use arena::lightstreamer::values::{ITEM_BYTES_MAX, Item};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut item = Item::new(3);
    for line in text.split('\n') {
        drop(Frame::parse(line));
        drop(item.apply(line));
        let held: usize = item.values().iter().flatten().map(|value| value.len()).sum();
        assert!(held <= ITEM_BYTES_MAX);
    }
});
