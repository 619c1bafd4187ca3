//! Splits of whole corpora, to test a model on a corpus that it was not trained on.

use std::collections::BTreeSet;

use super::speakers::first_divided;
use super::{Part, Split, SplitError, check_length};

/// Makes the clips of one corpus the test part and all others the training part. The validation part is empty;
/// [`Split::with_validation_speakers`] and [`Split::with_validation`] take one out of the training part.
///
/// # Errors
///
/// [`SplitError`], if the slices differ in length, the corpus has no clip, there is no other, or identical clips are of different corpora.
///
/// ```
/// use ser_data::leave_corpus_out;
///
/// let corpora = ["emodb", "nemo", "emodb", "ravdess"];
/// let split = leave_corpus_out(&corpora, &[0, 1, 2, 3], "emodb")?;
/// assert_eq!((split.train, split.test), (vec![1, 3], vec![0, 2]));
/// # Ok::<(), ser_data::SplitError>(())
/// ```
pub fn leave_corpus_out<S: AsRef<str>>(
    corpora: &[S],
    groups: &[usize],
    corpus: &str,
) -> Result<Split, SplitError> {
    check_length("groups", groups.len(), corpora.len())?;
    let known: BTreeSet<&str> = corpora.iter().map(AsRef::as_ref).collect();
    if !known.contains(corpus) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(SplitError::MissingCorpus { corpus: corpus.to_owned(), known });
    }
    if let Some((first, second)) = first_divided(corpora, groups) {
        return Err(SplitError::SharedByCorpora {
            first,
            first_corpus: corpora[first].as_ref().to_owned(),
            second,
            second_corpus: corpora[second].as_ref().to_owned(),
        });
    }
    let part = |name: &S| if name.as_ref() == corpus { Part::Test } else { Part::Train };
    let parts: Vec<_> = corpora.iter().map(|name| Some(part(name))).collect();
    Split::from_parts(&parts).filled(false, || format!("{corpus} is the only corpus"))
}
