//! Tools of the tests: an emulator, an account in it, Python with its packages, programs from Debian's packages.
pub(crate) mod account;
pub(crate) mod debian;
pub(crate) mod emulator;
pub(crate) mod pytest;
