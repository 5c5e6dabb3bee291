/** What has been read of a body, and what there is still to read. */
export function bodyOf(
  begun: readonly Uint8Array[],
  rest?: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of begun) controller.enqueue(chunk);
      if (!rest) controller.close();
    },
    async pull(controller) {
      const { done, value } = await rest!.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => rest?.cancel(reason),
  });
}
