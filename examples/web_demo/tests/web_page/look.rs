//! Tests of the look of the page: narrow screens, forced colours and drawings.

use serde_json::json;

use crate::browser::{Browser, is_drawn};
use crate::support::sample;

#[tokio::test]
async fn every_state_fits_320_pixels() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    page.narrow(320).await;
    for code in ["en", "de"] {
        page.client.refresh().await.unwrap();
        page.language(code).await;
        page.fits("start").await;
        page.click("#record").await;
        page.until("a recording", "return document.getElementById('record').dataset.state === 'on'").await;
        page.fits("recording").await;
        // The level is drawn while recording.
        page.until("a waveform", &is_drawn("level-wave")).await;
        page.run("document.getElementById('live-now').dataset.readings = '0'").await;
        page.click("#live").await;
        page.until("readings", "return Number(document.getElementById('live-now').dataset.readings) >= 2")
            .await;
        page.run("document.querySelector('#live-section details').open = true").await;
        page.fits("live").await;
        page.click("#live").await;
        let letter = browser
            .folder
            .path()
            .join("a long name of a file that is none of the kinds that can be read.wav");
        std::fs::write(&letter, "Dear Sir or Madam").unwrap();
        page.upload(letter.to_str().unwrap()).await;
        page.until("an error", "return document.getElementById('problem').textContent || null").await;
        page.fits("error").await;

        page.forget().await;
        page.click("#sample").await;
        page.result().await;
        page.run("document.getElementById('more').open = true").await;
        page.click("#songs .hide").await;
        page.until("the way back", "return !document.getElementById('undo').hidden").await;
        page.click("#feedback-moods button").await;
        page.fits("answer").await;
        let small = "return [...document.querySelectorAll('.judge, #play')].filter((button) => { \
                         const { width, height } = button.getBoundingClientRect(); return Math.min(width, height) < 44; }).length";
        assert_eq!(page.run(small).await, json!(0), "buttons that a finger misses");
        // Pictures are drawn with the width at which they are shown, so that letters keep their size.
        page.click("#heard summary").await;
        page.until("pictures", "return document.querySelectorAll('#pictures img').length === 3").await;
        let sizes = "return [...document.querySelectorAll('#pictures img')].map((image) => [image.naturalWidth, image.clientWidth, image.naturalHeight, image.clientHeight])";
        for size in page.run(sizes).await.as_array().unwrap() {
            assert!(size[0] == size[1] && size[2] == size[3] && size[0].as_u64() < Some(320), "{size}");
        }
        page.fits("pictures").await;
        page.screenshot("narrow.png").await;
        page.narrow(320).await;
    }
    browser.close().await;
}

/// A function of the script that gives the background colour of a part of the page. Colours fade in, so tests wait for them.
const OF: &str = "const of = (part) => getComputedStyle(document.querySelector(part)).backgroundColor;";

#[tokio::test]
async fn what_is_pressed_is_seen_in_forced_colours() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    page.media(&[("forced-colors", "active")]).await;
    page.click("#sample").await;
    page.result().await;
    page.click("#feedback-moods button").await;
    page.until("the songs", "return document.getElementById('songs-status').textContent.includes('calm')")
        .await;
    page.click("#songs li:first-child .like").await;
    page.until("a like", "return document.querySelector('.like[aria-pressed=true]') !== null").await;
    for (pressed, other) in [
        (".like[aria-pressed=true]", ".like[aria-pressed=false]"),
        ("#feedback-moods [aria-pressed=true]", "#feedback-moods [aria-pressed=false]"),
        ("label[for=strategy-balance]", "label[for=strategy-keep]"),
        (".bar span", ".bar"),
        ("#record .dot", "#record"),
    ] {
        let differ = format!("{OF} return of('{pressed}') !== of('{other}')");
        page.until(pressed, &differ).await;
    }
    // All pressed buttons have the colour that the user has chosen for selected parts.
    let same = format!("{OF} return of('.like[aria-pressed=true]') === of('label[for=strategy-balance]')");
    page.until("one colour", &same).await;
    page.click("#live").await;
    page.until("live", "return document.getElementById('live').dataset.state === 'on'").await;
    page.until("live is on", &format!("{OF} return of('#live') !== of('#sample')")).await;
    page.click("#live").await;
    browser.close().await;
}

#[tokio::test]
async fn the_chooser_offers_what_can_be_heard() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let accept = browser.page.run("return document.getElementById('file').accept").await;
    for kind in ["audio/*", "video/mp4", "video/quicktime", ".mp4", ".mov", ".opus", ".aiff", ".webm"] {
        assert!(accept.as_str().unwrap().split(',').any(|offered| offered == kind), "{kind}: {accept}");
    }
    browser.close().await;
}
