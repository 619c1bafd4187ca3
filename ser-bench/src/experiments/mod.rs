//! Table 1 of *Speech Emotion Recognition with Music Recommendation* (the student report that this project reimplements) and related
//! experiments: recipes, protocols, targets and results.

mod baseline;
mod calibration;
mod folder;
mod list;
mod predictions;
mod protocol;
mod recordings;
pub mod report;
mod results;
mod robustness;
mod run;

use calibration::expected_calibration_error;
pub(crate) use calibration::{fit_temperature, sure_at, sure_from, with_temperature};
pub use folder::{Finished, Folder};
pub use list::{Experiment, Figure, Goal, Learner};
pub use predictions::Predictions;
use protocol::{Clips, Unit};
pub use protocol::{Part, Protocol};
pub use recordings::RecordingScores;
pub use results::{Calibration, Results, Robustness, Score, Spread, save_combined};
pub use robustness::Disturbance;
pub use run::{Run, disturbed, predict, ravdess, remove_states, train};
