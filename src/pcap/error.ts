// The one error that unreadable capture files end in.

/**
 * ERR_CAPTURE_EMPTY: no bytes at all. ERR_CAPTURE_TRUNCATED: the file (or its gzip stream) ends too early.
 * ERR_CAPTURE_FORMAT: bytes that contradict the format. ERR_CAPTURE_LINKTYPE: packets that are not Ethernet.
 * ERR_CAPTURE_GZIP: a damaged gzip stream.
 */
export type CaptureErrorCode =
  'ERR_CAPTURE_EMPTY' | 'ERR_CAPTURE_TRUNCATED' | 'ERR_CAPTURE_FORMAT' | 'ERR_CAPTURE_LINKTYPE' | 'ERR_CAPTURE_GZIP'

/** What is wrong with a capture file, and where. Thrown after every packet before that place was delivered. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError'
  readonly code: CaptureErrorCode
  /**
   * Byte offset in the (decompressed) file: where the header, record or block starts that could not be read, or, when
   * a gzip stream is at fault, where its output ends.
   */
  readonly offset: number

  constructor(code: CaptureErrorCode, offset: number, message: string, cause?: unknown) {
    super(`${message} (at byte ${offset})`, cause === undefined ? undefined : { cause })
    this.code = code
    this.offset = offset
  }
}
