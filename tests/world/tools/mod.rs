//! What the tests are given: an emulator, an account in it, Python with its packages, programs of Debian's.
pub(crate) mod account;
pub(crate) mod debian;
pub(crate) mod emulator;
pub(crate) mod pytest;
