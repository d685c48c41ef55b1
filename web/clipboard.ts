/** Copies to the clipboard; pages without TLS have no clipboard API, hence the old way as the second one. True if it worked. */
export async function copyText(value: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    return copySelection(value);
  }
}

function copySelection(value: string): boolean {
  const area = document.createElement("textarea");
  area.className = "visually-hidden";
  area.value = value;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  return isCopied;
}
