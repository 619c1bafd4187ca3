//! Tests of live listening: what the page shows while moods change, and what ends listening. The moods come from the test, not from the
//! server.

use std::time::Duration;

use serde_json::json;

use crate::browser::{Browser, Page};
use crate::support::sample;

/// Replaces the server's answers by `window.mood`, and the clock by one that each reading advances by 2.5 s, so that a minute has 24
/// readings at any speed of the machine.
async fn pretend(page: &Page) {
    let script = "const real = window.fetch; let now = 0; performance.now = () => now; \
                  window.mood = 'Calm'; window.tracks = []; \
                  const media = navigator.mediaDevices; const get = media.getUserMedia.bind(media); \
                  media.getUserMedia = async (constraints) => { const stream = await get(constraints); window.tracks.push(...stream.getTracks()); return stream; }; \
                  window.fetch = async (address, request) => { \
                      if (!String(address).startsWith('/api/recognize')) return real(address, request); \
                      now += 2500; \
                      const mood = window.mood; \
                      if (!mood) return new Response(JSON.stringify({ code: 'silence' }), { status: 422 }); \
                      const probabilities = Object.fromEntries(['Calm', 'Happy', 'Sad', 'Energetic'] \
                          .map((name) => [name, name === mood ? 0.7 : 0.1])); \
                      return new Response(JSON.stringify({ mood, probabilities, confident: true })); }";
    page.run(script).await;
}

fn minute(mood: &str) -> String {
    format!(
        "return document.getElementById('clip').textContent === 'the last minute' \
         && document.getElementById('mood').textContent === '{mood}' \
         && document.getElementById('songs-status').textContent.includes('“{}”')",
        mood.to_lowercase()
    )
}

const CLOSED: &str = "return document.getElementById('live').dataset.state === 'closed' \
                      && window.tracks.length > 0 && window.tracks.every((track) => track.readyState === 'ended')";

#[tokio::test]
async fn a_mood_that_changes_interrupts_nobody() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    pretend(page).await;
    page.click("#live").await;
    page.until("the minute so far", &minute("Calm")).await;
    let watch = "window.told = []; window.hides = 0; const now = document.getElementById('live-now'); \
                 new MutationObserver(() => window.told.push(now.textContent)).observe(now, { childList: true }); \
                 for (const id of ['result', 'songs-section']) { const part = document.getElementById(id); \
                     new MutationObserver(() => { if (part.hidden) window.hides += 1; }).observe(part, { attributes: true }); }";
    page.run(watch).await;
    page.click("#songs li:first-child .hide").await;
    page.until("the way back", "return document.activeElement.id === 'undo-button'").await;

    page.until("a calm reading", "return window.told.includes('Calm, 70%')").await;
    page.run("window.mood = 'Sad'").await;
    page.until("another mood", &minute("Sad")).await;
    page.until("the focus that stays", "return document.activeElement.id === 'undo-button'").await;
    assert!(page.holds("document.getElementById('undo-text').textContent.endsWith('is hidden.')").await);
    // Readings are smoothed. The newest has a weight of two fifths.
    for told in ["Calm, 70%", "Calm, 46%", "Sad, 48%"] {
        assert!(
            page.holds(&format!("window.told.includes('{told}')")).await,
            "{told}: {}",
            page.run("return window.told").await
        );
    }
    let words = page.text("#live-text").await;
    assert!(words.contains(": calm") && words.contains(": sad"), "{words}");

    // Another mood replaces the songs. The focus then moves to the list's status.
    page.run("document.querySelector('#songs .like').focus(); window.mood = 'Energetic'").await;
    page.until("a third mood", &minute("Energetic")).await;
    let kept = "return document.activeElement.id === 'songs-status' || document.activeElement.matches('#songs .like')";
    page.until("a focus that is not lost", kept).await;
    assert_eq!(page.run("return window.hides").await, json!(0), "nothing flickers");

    // After a minute of silence, the card still shows the last minute with speech.
    page.run("window.mood = null").await;
    let silence = "const rows = document.querySelectorAll('#live-text li'); \
                   return rows.length === 1 && rows[0].textContent.includes('no speech')";
    page.until("a silent minute", silence).await;
    page.click("#live").await;
    page.until("the end", CLOSED).await;
    assert_eq!(
        (page.text("#clip").await.as_str(), page.text("#status").await.as_str()),
        ("the last minute", "")
    );

    // The lines are drawn again if the theme or the width changes.
    let drawn = "return document.getElementById('timeline').toDataURL()";
    let light = page.run(drawn).await;
    page.media(&[("prefers-color-scheme", "dark")]).await;
    page.until("dark lines", &format!("{drawn} !== {light}")).await;
    page.narrow(600).await;
    let as_wide = "const { width, clientWidth } = document.getElementById('timeline'); return width === clientWidth && width < 600";
    page.until("lines of this width", as_wide).await;
    browser.close().await;
}

#[tokio::test]
async fn live_ends_when_something_else_begins() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    pretend(page).await;
    let readings = "return Number(document.getElementById('live-now').dataset.readings) >= 3";
    let forget = "document.getElementById('live-now').dataset.readings = '0'";

    // Record takes over the microphone and hides the lines.
    page.click("#live").await;
    page.until("readings", readings).await;
    let seen = "document.getElementById('timeline').getBoundingClientRect().bottom <= 800";
    assert!(page.holds(seen).await, "the lines are seen without scrolling");
    assert_eq!(page.text("#status").await, "Keep talking. Songs come after about ten seconds.");
    page.click("#record").await;
    page.until("a recording", "return document.getElementById('record').dataset.state === 'on'").await;
    assert!(page.holds("document.getElementById('live-section').hidden").await);

    // Opening a link stops a recording or live listening.
    let link = "location.hash = 'mood=Sad&strategy=keep'";
    let shown = "return document.getElementById('clip').textContent === 'a shared link' \
                 && document.querySelectorAll('#songs li[data-mood=Sad]').length > 0";
    page.run(link).await;
    page.until("the link's mood", shown).await;
    page.until("a microphone that is off", CLOSED).await;
    assert_eq!(page.text("#record-text").await, "Record");
    page.run(forget).await;
    page.click("#live").await;
    page.until("readings", readings).await;
    page.run(link).await;
    page.until("the link's mood", shown).await;
    page.until("a microphone that is off", CLOSED).await;
    assert!(page.holds("document.getElementById('live-section').hidden").await);
    assert_eq!(page.text("#certainty").await, "That is what the link says.");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(page.text("#clip").await, "a shared link", "no minute overwrites it");
    // When the link is removed from the address, the user's own preferences apply again.
    page.run("location.hash = ''").await;
    page.until("one's own strategy", "return document.getElementById('strategy-balance').checked").await;
    page.until("its songs", "return document.getElementById('songs-status').textContent.includes('Balance')")
        .await;

    // The old lines are hidden if the microphone is refused.
    page.run(forget).await;
    page.click("#live").await;
    page.until("readings", readings).await;
    page.click("#live").await;
    page.until("the end", CLOSED).await;
    page.run("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }").await;
    page.click("#live").await;
    page.until("a refusal", "return document.getElementById('problem').textContent || null").await;
    assert!(page.holds("document.getElementById('live-section').hidden").await);
    browser.close().await;
}
