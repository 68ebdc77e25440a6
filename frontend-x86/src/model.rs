//! CPU models: what CPUID says and what raises #UD.

/// A CPU model, fixed when the machine is made.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name by which users ask for it.
    pub name: &'static str,
    /// CPUID leaf 1's EAX: family, model, stepping.
    pub signature: u32,
    /// Width of a physical address.
    pub physical_bits: u32,
}

impl Model {
    /// 1 GiB pages.
    pub fn has_1g_pages(&self) -> bool {
        false
    }
}
