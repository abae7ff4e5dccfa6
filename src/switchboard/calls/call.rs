//! One emergency call or placed call: the caller, the outgoing legs and the stage of the call.
