//! A value that a step is given without knowing which kind of step provides it.
use crate::{Inputs, Known, Ref, Resource};
use std::rc::Rc;

/// A value that is known from the start, or that is read from other steps once they exist.
///
/// Kinds take their values as inputs, so that they need not import each other; the wiring makes them of typed handles.
pub struct Input<T>(Rc<dyn Fn(&Inputs) -> Known<T>>);

impl<T> Input<T> {
    /// Returns an input that is made of whatever the function reads.
    pub fn new(value: impl Fn(&Inputs) -> Known<T> + 'static) -> Self {
        Self(Rc::new(value))
    }

    /// Returns the value. What it reads of other steps becomes a need of the step that asks.
    pub fn read(&self, inputs: &Inputs) -> Known<T> {
        (self.0)(inputs)
    }
}

impl<T> Clone for Input<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone + 'static> From<T> for Input<T> {
    fn from(value: T) -> Self {
        Self::new(move |_| Known::Now(value.clone()))
    }
}

impl<R: Resource + 'static> Ref<R> {
    /// Returns an input that is read from the output of this step.
    pub fn input<T: 'static>(&self, pick: impl Fn(&R::Output) -> T + 'static) -> Input<T> {
        let from = self.clone();
        Input::new(move |inputs| inputs.read(&from, &pick))
    }
}
