//! SDL by need. The library, and the fifty others that it brings, are loaded when a window is wanted, not with the program: a machine
//! without a window starts sooner, takes 4 MiB less, and runs where SDL is not installed.
//!
//! The program has functions by the names of those of SDL's that it calls, each a jump to where the library has the real one. The linker
//! takes these, finds that nothing of the library is used, and leaves it out (`tests/command_line.rs` looks whether it did). Where a
//! linker does not (GNU's counts what is called by code that nobody calls), the library is loaded with the program, as libraries are.

use libloading::Library;
use std::error::Error;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What the library is called by the dynamic linker.
const NAME: &str = "libSDL2-2.0.so.0";

/// Defines functions with these names, and `PLACES`, where they jump.
macro_rules! late {
    ($($name:ident)*) => {
        $(
            #[expect(non_snake_case, reason = "SDL's names")]
            mod $name {
                use super::*;

                pub(super) static PLACE: AtomicPtr<()> = AtomicPtr::new(too_early as *mut ());

                // SAFETY: nothing else has the name but the library's own function, for which it stands, with whatever arguments.
                #[unsafe(no_mangle)]
                #[unsafe(naked)]
                extern "C" fn $name() {
                    #[cfg(target_arch = "x86_64")]
                    std::arch::naked_asm!(
                        concat!(".hidden ", stringify!($name)),
                        "jmp qword ptr [rip + {place}]",
                        place = sym PLACE,
                    );
                    #[cfg(target_arch = "aarch64")]
                    std::arch::naked_asm!(
                        concat!(".hidden ", stringify!($name)),
                        "adrp x16, {place}",
                        "ldr x16, [x16, :lo12:{place}]",
                        "br x16",
                        place = sym PLACE,
                    );
                }
            }
        )*

        static PLACES: &[(&str, &AtomicPtr<()>)] = &[$((stringify!($name), &$name::PLACE)),*];
    };
}

late! {
    SDL_CreateRenderer SDL_CreateShapedWindow SDL_CreateTexture SDL_CreateWindow SDL_DestroyRenderer
    SDL_DestroyTexture SDL_DestroyWindow SDL_GetClipboardText SDL_GetCurrentVideoDriver SDL_GetDisplayBounds
    SDL_GetDisplayUsableBounds SDL_GetError SDL_GetRenderTarget SDL_GetRendererOutputSize SDL_GetWindowDisplayIndex
    SDL_GetWindowFlags SDL_GetWindowPixelFormat SDL_GetWindowPosition SDL_GetWindowSize SDL_Init SDL_InitSubSystem
    SDL_PollEvent SDL_PumpEvents SDL_PushEvent SDL_QueryTexture SDL_Quit SDL_QuitSubSystem SDL_RegisterEvents
    SDL_RenderClear SDL_RenderCopy SDL_RenderPresent SDL_RenderTargetSupported SDL_SetHint SDL_SetRelativeMouseMode
    SDL_SetRenderDrawColor SDL_SetRenderTarget SDL_SetTextureScaleMode SDL_SetWindowBordered SDL_SetWindowFullscreen
    SDL_SetWindowKeyboardGrab SDL_SetWindowPosition SDL_SetWindowSize SDL_SetWindowTitle SDL_StopTextInput
    SDL_UpdateTexture SDL_WaitEventTimeout SDL_free
}

extern "C" fn too_early() {
    eprintln!("lyrebird: SDL is called before it is loaded, which is a fault of this program");
    std::process::abort();
}

/// Loads the library, unless it is there already. To be called before anything of SDL's.
pub fn load() -> io::Result<()> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        let remedy = "install SDL2 (Debian and Ubuntu: `apt-get install libsdl2-2.0-0`)";
        // The dynamic linker's own words name the library.
        find().map_err(|error| format!("{}: {remedy}", error.source().unwrap_or(&error)))
    });
    loaded.clone().map_err(io::Error::other)
}

/// Loads it for good, and tells the functions where theirs are.
fn find() -> Result<(), libloading::Error> {
    // SAFETY: it is made to be loaded by programs: what it does then is its own preparation.
    let library = Box::leak(Box::new(unsafe { Library::new(NAME) }?));
    let found = PLACES.iter().map(|(name, place)| {
        // SAFETY: only the address is of interest here.
        let function = unsafe { library.get::<*mut ()>(name.as_bytes()) }?;
        Ok((*function, place))
    });
    let found: Vec<_> = found.collect::<Result<_, libloading::Error>>()?;
    found.into_iter().for_each(|(function, place)| place.store(function, Ordering::Relaxed));
    Ok(())
}
