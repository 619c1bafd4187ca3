//! Criterion, set up so that its HTML report is drawn on any machine.

use criterion::Criterion;

/// Criterion's defaults. Without gnuplot it draws its report by plotters, for which the bundled font is registered here: this
/// workspace compiles plotters such that it knows no font of the system.
pub(crate) fn criterion() -> Criterion {
    ser_plots::register_font();
    Criterion::default()
}
