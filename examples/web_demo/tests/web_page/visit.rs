//! Tests one visit that uses all parts of the page.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Browser, is_drawn};
use crate::support::{recommend_songs, sample};

#[tokio::test]
async fn the_page_hears_shows_and_recommends() {
    let microphone = sample().canonicalize().unwrap();
    let Some(browser) = Browser::open(&microphone).await else { return };
    let (page, folder) = (&browser.page, &browser.folder);
    assert_eq!(page.client.title().await.unwrap(), "Voice, mood, music");
    page.screenshot("start.png").await;

    // The page shows the same result for the sample as the command line.
    let expected = recommend_songs(&["--count", "5"]);
    page.click("#sample").await;
    let shown = page.result().await;
    assert_eq!(shown["mood"], expected["mood"]);
    for (shown, expected) in
        shown["songs"].as_array().unwrap().iter().zip(expected["songs"].as_array().unwrap())
    {
        assert_eq!(shown, &json!([expected["name"], expected["link"]]));
    }
    for (bar, mood) in shown["bars"].as_array().unwrap().iter().zip(["Calm", "Happy", "Sad", "Energetic"]) {
        let percent = expected["probabilities"][mood].as_f64().unwrap() * 100.0;
        assert_eq!(bar, &json!(format!("{mood} {percent:.1}%")));
    }
    let mood = expected["mood"].as_str().unwrap();
    let percent = format!("{:.0}%", expected["probabilities"][mood].as_f64().unwrap() * 100.0);
    let certainty = page.text("#certainty").await;
    assert!(certainty.contains(&percent), "{percent} is not in {certainty:?}");
    // Reasons are those of the library, without the numbers after its words.
    let reason = page.text("#songs .reason").await;
    let words = expected["songs"][0]["reason"].as_str().unwrap().split(" (").next().unwrap();
    assert!(reason.starts_with(words) && !reason.contains('('), "{reason}");
    let fits = "document.getElementById('answer').getBoundingClientRect().bottom <= 800";
    assert!(page.holds(fits).await, "mood and songs are seen without scrolling");
    page.screenshot("answer.png").await;

    // A click on a stretch plays from its start.
    page.click("#segments button:nth-child(2)").await;
    let begin = "return document.getElementById('player').currentTime > 0.3 && !document.getElementById('player').paused";
    page.until("the second stretch", begin).await;
    page.click("#play").await;
    page.until("a pause", "return document.getElementById('player').paused").await;

    // Pictures are drawn when their section is opened.
    assert!(page.holds("document.querySelectorAll('#pictures img').length === 0").await);
    page.click("#heard summary").await;
    let loaded = "return [...document.querySelectorAll('#pictures img')].filter((i) => i.complete && i.naturalWidth > 0 && i.alt).length == 3";
    page.until("three pictures", loaded).await;
    page.until(
        "the time of pictures",
        "return document.getElementById('timing').textContent.includes('pictures')",
    )
    .await;
    for stage in ["waiting for a worker", "decoding", "features and model", "pictures"] {
        assert!(page.text("#timing").await.contains(stage), "{stage}");
    }
    page.until("the songs' time", "return /\\sms$/.test(document.getElementById('songs-time').textContent)")
        .await;
    page.screenshot("heard.png").await;
    page.click("#heard summary").await;

    // A file, and the same clip in another format.
    page.forget().await;
    page.upload(microphone.to_str().unwrap()).await;
    assert_eq!(page.result().await["mood"], expected["mood"]);

    // Likes and dislikes change the list.
    let titles = || {
        page.until("songs", "return [...document.querySelectorAll('#songs li a')].map((a) => a.textContent)")
    };
    let before = titles().await;
    page.click("#songs li:first-child .hide").await;
    let first = before[0].as_str().unwrap();
    let gone = format!(
        "return ![...document.querySelectorAll('#songs li a')].some((a) => a.textContent == {})",
        json!(first)
    );
    page.until("the hidden song's end", &gone).await;
    page.click("#undo-button").await;
    page.until("the hidden song's return", &gone.replace("return !", "return ")).await;
    page.click("#songs li:nth-child(2) .like").await;
    page.until("a like", "return document.querySelector('.like[aria-pressed=true]') != null").await;

    // A journey is drawn, and its target can be chosen.
    page.click("#strategy-journey").await;
    page.until("a journey", "return document.querySelectorAll('#journey .stop').length === 5").await;
    page.click("#target-Calm").await;
    page.until("its end", "return document.querySelector('#songs li:last-child .reason').textContent.includes('arrives at calm')")
        .await;
    assert!(page.holds(fits).await, "mood, songs and their way are seen without scrolling");
    let overlap = "[...document.querySelectorAll('#journey .stop circle')].some((circle) => { \
                       const [a, b] = [circle, [...document.querySelectorAll('#journey text')].find((text) => text.textContent === 'you')] \
                           .map((part) => part.getBoundingClientRect()); \
                       return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom; })";
    assert!(!page.holds(overlap).await, "no song covers where you are");
    page.screenshot("journey.png").await;

    // Preferences survive a reload, and a link carries mood and strategy.
    page.client.refresh().await.unwrap();
    page.click("#sample").await;
    page.result().await;
    assert!(page.holds("document.getElementById('strategy-journey').checked && document.getElementById('target-Calm').checked").await);
    assert!(page.holds("JSON.parse(localStorage.getItem('voice-mood-music.liked')).length === 1").await);
    page.run("location.hash = 'mood=Sad&strategy=keep'").await;
    page.until("a shared mood", "return document.getElementById('mood').textContent === 'Sad'").await;
    page.until("its songs", "return document.querySelectorAll('#songs li[data-mood=Sad]').length > 0").await;
    assert!(page.holds("document.getElementById('strategy-keep').checked").await);
    page.click("#strategy-balance").await;

    // A file that neither the server nor the browser can read as audio.
    let letter = folder.path().join("letter.wav");
    std::fs::write(&letter, "Dear Sir or Madam").unwrap();
    page.upload(letter.to_str().unwrap()).await;
    page.until("a problem", "return document.getElementById('problem').textContent.includes('as audio')")
        .await;

    // The microphone, for which Chromium plays the sample.
    page.forget().await;
    page.click("#record").await;
    page.until("recording", "return document.getElementById('record').dataset.state === 'on'").await;
    page.until("a level", "return document.getElementById('level').value > -59").await;
    page.until("a sentence", "return document.getElementById('clock').textContent >= '0:03'").await;
    page.click("#record").await;
    page.result().await;
    assert!(page.text("#timing").await.contains("mono"));

    // The user's answer is stored in the browser and exported as CSV.
    page.click("#feedback-moods button:nth-child(2)").await;
    let kept =
        page.until("an answer", "return JSON.parse(localStorage.getItem('voice-mood-music.answers'))").await;
    assert_eq!((kept.as_array().unwrap().len(), &kept[0]["said"]), (1, &json!("Happy")));
    let csv = "const done = arguments[0]; import('/feedback.js').then((module) => done(module.csv()))";
    let csv = page.client.execute_async(csv, vec![]).await.unwrap();
    let lines: Vec<&str> = csv.as_str().unwrap().lines().collect();
    assert_eq!(lines[0], "\u{feff}time,clip,recognised,said,Calm,Happy,Sad,Energetic");
    assert!(lines.len() == 2 && lines[1].contains(",your recording,"), "{lines:?}");

    // Live listening shows and draws readings.
    page.click("#live").await;
    page.until("live readings", "return Number(document.getElementById('live-now').dataset.readings) >= 10")
        .await;
    page.until("a timeline", &is_drawn("timeline")).await;
    page.until(
        "a mood",
        "return /Calm|Happy|Sad|Energetic/.test(document.getElementById('live-now').textContent)",
    )
    .await;
    // Songs are recommended for the last minute during live listening.
    page.until(
        "the minute so far",
        "return document.getElementById('clip').textContent === 'the last minute'",
    )
    .await;
    page.result().await;
    assert!(page.holds("document.getElementById('live').dataset.state === 'on'").await);
    assert!(page.holds("!document.getElementById('loudness').hidden").await, "live shows a level");
    assert!(page.holds(fits).await, "the lines, mood and songs are seen without scrolling");
    if std::env::var_os("WEB_SCREENSHOTS").is_some() {
        let more = "return Number(document.getElementById('live-now').dataset.readings) >= 50";
        page.until("a timeline worth a picture", more).await;
        page.screenshot("live.png").await;
    }
    page.click("#live").await;
    page.until("the end", "return document.getElementById('live').dataset.state === 'closed'").await;
    page.until("a summary", "return document.getElementById('clip').textContent === 'the last minute'").await;
    page.result().await;

    // With the keyboard only.
    page.client.refresh().await.unwrap();
    let mut reached = Vec::new();
    for _ in 0..12 {
        page.press(Key::Tab).await;
        reached.push(page.client.execute("return document.activeElement.id", vec![]).await.unwrap());
        if reached.ends_with(&[json!("sample")]) {
            page.press(Key::Enter).await;
            break;
        }
    }
    assert!(reached.contains(&json!("file")) && reached.contains(&json!("record")), "{reached:?}");
    page.result().await;
    let focused = page.client.execute("return document.activeElement.id", vec![]).await.unwrap();
    assert_eq!(focused, "result", "a screen reader goes on at the result");

    // On a phone with a dark theme.
    page.chrome(
        "goog/cdp/execute",
        json!({ "cmd": "Emulation.setEmulatedMedia",
        "params": { "features": [{ "name": "prefers-color-scheme", "value": "dark" }] } }),
    )
    .await;
    page.chrome(
        "goog/cdp/execute",
        json!({ "cmd": "Emulation.setDeviceMetricsOverride",
        "params": { "width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": true } }),
    )
    .await;
    page.forget().await;
    page.click("#sample").await;
    page.result().await;
    let overflow = page
        .client
        .execute("return document.documentElement.scrollWidth - innerWidth", vec![])
        .await
        .unwrap();
    assert_eq!(overflow, 0, "nothing sticks out at the side");
    let ground =
        page.client.execute("return getComputedStyle(document.body).backgroundColor", vec![]).await.unwrap();
    assert_eq!(ground, "rgb(19, 20, 23)");
    let order = "document.getElementById('songs-section').getBoundingClientRect().top \
                 < document.getElementById('heard').getBoundingClientRect().top";
    assert!(page.holds(order).await, "songs follow the mood directly");
    if std::env::var_os("WEB_SCREENSHOTS").is_some() {
        let all = json!({ "cmd": "Emulation.setDeviceMetricsOverride",
            "params": { "width": 375, "height": 1320, "deviceScaleFactor": 1, "mobile": true } });
        page.chrome("goog/cdp/execute", all).await;
        page.screenshot("phone-dark.png").await;
        page.chrome(
            "goog/cdp/execute",
            json!({ "cmd": "Emulation.clearDeviceMetricsOverride", "params": {} }),
        )
        .await;
        page.client.set_window_size(1280, 900).await.unwrap();
        page.screenshot("answer-dark.png").await;
    }

    browser.close().await;
}
