//! libchdb, loaded at run time: its functions, and nothing that knows what a query is.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    path::Path,
    sync::Mutex,
};

use super::Error;

/// A handle that libchdb gave out.
pub(super) type Handle = *mut c_void;

/// `chdb_query_with_params_n`, its streaming sister and `chdb_stream_insert_with_params_n` take the same: connection, text,
/// format, names of parameters, their values. Texts are given as address and length.
pub(super) type Run = unsafe extern "C" fn(
    Handle,
    *const u8,
    usize,
    *const u8,
    usize,
    *const *const u8,
    *const usize,
    *const *const u8,
    *const usize,
    usize,
) -> Handle;

/// What the parser says about a text: `chdb_query_analysis_v1`.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Analysis {
    pub(super) struct_size: u32,
    pub(super) n_statements: u32,
    pub(super) flags: u32,
    pub(super) class: u32,
}

/// The functions of libchdb that are used; the library stays loaded for as long as the process lives.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Handle,
    pub(super) close: unsafe extern "C" fn(*mut Handle),
    pub(super) query: Run,
    pub(super) stream: Run,
    pub(super) stream_fetch: unsafe extern "C" fn(Handle, Handle) -> Handle,
    pub(super) stream_cancel: unsafe extern "C" fn(Handle, Handle),
    pub(super) destroy_result: unsafe extern "C" fn(Handle),
    pub(super) buffer: unsafe extern "C" fn(Handle) -> *const u8,
    pub(super) length: unsafe extern "C" fn(Handle) -> usize,
    pub(super) error: unsafe extern "C" fn(Handle) -> *const c_char,
    pub(super) result_rows: unsafe extern "C" fn(Handle) -> u64,
    pub(super) result_bytes: unsafe extern "C" fn(Handle) -> u64,
    pub(super) read_rows: unsafe extern "C" fn(Handle) -> u64,
    pub(super) read_bytes: unsafe extern "C" fn(Handle) -> u64,
    pub(super) written_rows: unsafe extern "C" fn(Handle) -> u64,
    pub(super) written_bytes: unsafe extern "C" fn(Handle) -> u64,
    pub(super) insert: Run,
    pub(super) insert_append: unsafe extern "C" fn(Handle, *const u8, usize) -> c_int,
    pub(super) insert_done: unsafe extern "C" fn(Handle) -> Handle,
    pub(super) insert_error: unsafe extern "C" fn(Handle) -> *const c_char,
    pub(super) destroy_insert: unsafe extern "C" fn(Handle),
    pub(super) classify: unsafe extern "C" fn(Handle, *const u8, usize, *const u8, usize, *mut Analysis) -> c_int,
    version: unsafe extern "C" fn() -> *const c_char,
}

/// A process has one engine, so it loads one library.
static LOADED: Mutex<Option<&'static Library>> = Mutex::new(None);

impl Library {
    /// Loads the library, or gives the one that this process has loaded before.
    pub(super) fn load(path: &Path) -> Result<&'static Self, Error> {
        let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(library) = *loaded {
            return Ok(library);
        }
        let library = Box::leak(Box::new(Self::open(path).map_err(|e| Error::Unusable { path: path.to_owned(), why: e.to_string() })?));
        *loaded = Some(library);
        Ok(library)
    }

    fn open(path: &Path) -> Result<Self, libloading::Error> {
        // SAFETY: libchdb's initialisers are those of any C++ library; they touch nothing of ours. RTLD_LOCAL (the default)
        // keeps its own allocator and OpenSSL to itself.
        let open = unsafe { libloading::Library::new(path)? };
        // It is never unloaded: it starts threads that outlive every connection.
        let open: &'static libloading::Library = Box::leak(Box::new(open));
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the types above repeat the declarations of chdb.h of this version.
                *unsafe { open.get(concat!($name, "\0").as_bytes())? }
            };
        }
        let set_signal_handlers: unsafe extern "C" fn(c_int) = function!("chdb_set_signal_handlers_enabled");
        // SAFETY: called before the first connection, as chdb.h asks; signals stay ours.
        unsafe { set_signal_handlers(0) };
        Ok(Self {
            connect: function!("chdb_connect"),
            close: function!("chdb_close_conn"),
            query: function!("chdb_query_with_params_n"),
            stream: function!("chdb_stream_query_with_params_n"),
            stream_fetch: function!("chdb_stream_fetch_result"),
            stream_cancel: function!("chdb_stream_cancel_query"),
            destroy_result: function!("chdb_destroy_query_result"),
            buffer: function!("chdb_result_buffer"),
            length: function!("chdb_result_length"),
            error: function!("chdb_result_error"),
            result_rows: function!("chdb_result_rows_read"),
            result_bytes: function!("chdb_result_bytes_read"),
            read_rows: function!("chdb_result_storage_rows_read"),
            read_bytes: function!("chdb_result_storage_bytes_read"),
            written_rows: function!("chdb_result_rows_written"),
            written_bytes: function!("chdb_result_bytes_written"),
            insert: function!("chdb_stream_insert_with_params_n"),
            insert_append: function!("chdb_stream_append"),
            insert_done: function!("chdb_stream_done"),
            insert_error: function!("chdb_stream_insert_error"),
            destroy_insert: function!("chdb_destroy_insert_stream"),
            classify: function!("chdb_classify_query_n"),
            version: function!("chdb_version"),
        })
    }

    /// The version that the library says of itself, as in `26.7.3`.
    pub(super) fn version(&self) -> String {
        // SAFETY: a constant text that ends with a zero byte.
        unsafe { text((self.version)()) }.unwrap_or_default()
    }
}

/// A copy of a text that the library owns; nothing for a null pointer.
///
/// # Safety
/// `at` is null or points to a text that ends with a zero byte and stays for the time of the call.
pub(super) unsafe fn text(at: *const c_char) -> Option<String> {
    // SAFETY: promised by the caller.
    (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned())
}
