//! Tests of a microphone without sound.

use serde_json::json;

use crate::browser::Browser;
use crate::support::wav;

#[tokio::test]
async fn silence_is_called_silence_and_no_mood() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("silence.wav");
    // A little noise, as from a real microphone.
    let murmur = (0..5 * 48_000).map(|n| if n % 7 == 0 { 6 } else { -1 });
    std::fs::write(&path, wav(murmur, 48_000)).unwrap();
    let Some(browser) = Browser::open(&path).await else { return };
    let page = &browser.page;

    page.click("#live").await;
    page.until("readings", "return Number(document.getElementById('live-now').dataset.readings) >= 6").await;
    assert_eq!(page.text("#live-now").await, "Silence");
    assert!(page.text("#live-text").await.contains("no speech"), "the same in words");
    assert_eq!(page.text("#problem").await, "");
    let level = page.text("#level-text").await;
    assert!(level.starts_with('−') && level.ends_with(" dB"), "{level}");
    page.click("#live").await;
    page.until(
        "no mood of silence",
        "return document.getElementById('status').textContent === 'I heard no speech.'",
    )
    .await;

    // A recording of it is refused, and the page shows the reason.
    page.click("#record").await;
    page.until("a second of it", "return document.getElementById('clock').textContent >= '0:01'").await;
    page.click("#record").await;
    let problem =
        page.until("a problem", "return document.getElementById('problem').textContent || null").await;
    assert!(problem.as_str().unwrap().starts_with("I heard nothing."), "{problem}");
    let hidden =
        page.client.execute("return document.getElementById('result').hidden", vec![]).await.unwrap();
    assert_eq!(hidden, json!(true), "no mood is shown");
    browser.close().await;
}
