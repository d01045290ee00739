/** What toggles are for that unlock no feature by themselves. */
export const PURPOSES: Readonly<Record<string, string>> = {
  vulkan_enable_f16_on_nvidia: "f16 on NVIDIA GPUs",
  use_vulkan_memory_model: "the memory model that subgroup matrices are tested with",
  timestamp_quantization: "off: timestamps as the GPU counts them",
  disable_robustness: "no checks of addresses in shaders",
  disable_workgroup_init: "workgroup memory is not cleared",
  disable_polyfills_on_integer_div_and_mod: "no checks of divisors in shaders",
};
