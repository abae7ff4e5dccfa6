//! The outputs of a media thread's step.

use crate::ids::{CallId, LegNo};
use crate::media::command::Event;
use crate::media::recording::{Frame, RecordingId};

/// Actions of the thread other than sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Receive on both ports of this slot; discard waiting datagrams.
    Listen(u32),
    /// Stop receiving on both ports of this slot.
    Deaf(u32),
    Report(Event),
    StartRecording {
        recording: RecordingId,
        call: CallId,
        leg: LegNo,
    },
    StopRecording(RecordingId),
}

/// The outputs of a step. The caller reuses it from step to step to avoid allocation.
#[derive(Debug, Default)]
pub struct Out {
    pub effects: Vec<Effect>,
    /// Frames for the recorder.
    pub frames: Vec<Frame>,
}
