//! What programs keep as JSON between sessions, and what people write as settings, is read or refused. What was read is written
//! and read again the same.

#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use mood_recommender::{Profile, Song, Strategy};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn check<T: Debug + PartialEq + Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_string(&value).expect("all of it has a form in JSON");
    assert_eq!(serde_json::from_str::<T>(&written).expect("what was written is right"), value);
}

fuzz_target!(|bytes: &[u8]| {
    check::<Profile>(bytes);
    check::<Strategy>(bytes);
    check::<Song>(bytes);
});
