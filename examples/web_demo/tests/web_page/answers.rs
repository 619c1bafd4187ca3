//! Changes and delays answers of the server.

use serde_json::json;

use crate::browser::Page;

/// Script for [`change`] that makes an answer uncertain.
pub(crate) const LESS_SURE: &str = "answer.confident = false; \
    answer.probabilities = { Calm: 0.43, Happy: 0.2, Sad: 0.26, Energetic: 0.11 };";

/// Changes the server's answers for clips: runs `script` with each `answer`.
pub(crate) async fn change(page: &Page, script: &str) {
    let script = format!(
        "window.server ??= window.fetch; window.fetch = async (address, request) => {{ \
             const response = await window.server(address, request); \
             if (!String(address).startsWith('/api/recognize') || !response.ok) return response; \
             const answer = await response.json(); {script} \
             return new Response(JSON.stringify(answer)); }}"
    );
    page.run(&script).await;
}

/// Holds back every answer of an address until [`release`]. If `withdrawn` is set, the answer to a withdrawn request is delivered too.
pub(crate) async fn hold(page: &Page, address: &str, withdrawn: bool) {
    let script = format!(
        "window.server ??= window.fetch; window.held = []; window.released = 0; \
         window.fetch = async (address, {{ signal, ...request }} = {{}}) => {{ \
             if (!String(address).startsWith({address})) return window.server(address, {{ signal, ...request }}); \
             const response = await window.server(address, {withdrawn} ? request : {{ signal, ...request }}); \
             await new Promise((go) => window.held.push(go)); \
             window.released += 1; \
             if (!{withdrawn}) signal?.throwIfAborted(); \
             return response; }}",
        address = json!(address)
    );
    page.run(&script).await;
}

/// Waits until this number of answers is held back.
pub(crate) async fn held(page: &Page, count: usize) {
    page.until("answers that are held back", &format!("return window.held.length === {count}")).await;
}

/// Delivers the held answers to the page in the order of the requests, and waits until the page has handled them.
pub(crate) async fn release(page: &Page) {
    // All pending promises are handled before the second animation frame.
    let script = "const done = arguments[0]; window.held.splice(0).forEach((go) => go()); \
                  setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 100)";
    page.client.execute_async(script, vec![]).await.unwrap();
}

/// Delivers all answers unchanged and at once from now on.
pub(crate) async fn restore(page: &Page) {
    page.run("window.fetch = window.server").await;
}
