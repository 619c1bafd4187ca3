//! Measures how long a user waits.

use crate::browser::Browser;
use crate::support::sample;

#[tokio::test]
#[ignore = "a timing"]
async fn songs_come_soon_after_a_click() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    page.click("#sample").await;
    page.result().await;
    // Time from the click on the sample to the first list of songs, measured in the page.
    let script = "const done = arguments[0]; const songs = document.getElementById('songs'); songs.replaceChildren(); \
                  const begin = performance.now(); \
                  const watch = new MutationObserver(() => { \
                      if (songs.children.length === 0) return; \
                      watch.disconnect(); done(performance.now() - begin); }); \
                  watch.observe(songs, { childList: true }); document.getElementById('sample').click()";
    let mut times = Vec::new();
    for _ in 0..21 {
        times.push(page.client.execute_async(script, vec![]).await.unwrap().as_f64().unwrap());
    }
    times.sort_by(f64::total_cmp);
    println!("from click to songs: {:.0} ms, {:.0} to {:.0} ms", times[10], times[0], times[20]);
    assert!(times[10] < 300.0, "{times:.0?} ms");
    browser.close().await;
}
