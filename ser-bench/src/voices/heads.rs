//! Heads of one training part that answer together.

use ser_models::Checkpoint;

use crate::experiments::Predictions;

/// Trained heads of different seeds and a discriminant, or what each of them gives.
#[derive(Debug, Clone)]
pub struct Heads<T> {
    /// One for each seed.
    pub trained: Vec<T>,
    /// It counts as much as all trained ones together.
    pub discriminant: Option<T>,
}

impl<T> Heads<T> {
    /// Each, and how often it counts.
    pub fn votes(&self) -> impl Iterator<Item = (&T, u16)> {
        let all = u16::try_from(self.trained.len()).unwrap_or(u16::MAX).max(1);
        self.trained.iter().map(|head| (head, 1)).chain(self.discriminant.iter().map(move |head| (head, all)))
    }

    /// Each trained one, with the discriminant beside it.
    pub fn one_by_one(&self) -> impl Iterator<Item = Self>
    where
        T: Clone,
    {
        let discriminant = &self.discriminant;
        self.trained
            .iter()
            .map(|head| Self { trained: vec![head.clone()], discriminant: discriminant.clone() })
    }

    /// The result of `of` for each.
    ///
    /// # Errors
    /// The first error of `of`.
    pub fn try_map<U>(&self, mut of: impl FnMut(&T) -> anyhow::Result<U>) -> anyhow::Result<Heads<U>> {
        let trained = self.trained.iter().map(&mut of).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Heads { trained, discriminant: self.discriminant.as_ref().map(of).transpose()? })
    }
}

impl Heads<Predictions> {
    /// The mean of their answers to the same clips.
    ///
    /// # Errors
    /// If they answered for others.
    pub fn mean(&self) -> anyhow::Result<Predictions> {
        Predictions::mean(&self.votes().collect::<Vec<_>>())
    }
}

impl Heads<Checkpoint> {
    /// One model of them.
    ///
    /// # Errors
    /// As [`Checkpoint::join`].
    pub fn together(&self) -> anyhow::Result<Checkpoint> {
        Ok(Checkpoint::join(
            &self.votes().map(|(head, votes)| (head.clone(), votes.into())).collect::<Vec<_>>(),
        )?)
    }
}
