import { authorization } from "./credentials";
import { RequestError, failureOf } from "./errors";

export type ReportFormat = "html" | "pdf" | "csv" | "json";

/** The report that the SDK would write of this answer. Rejects with {@link RequestError}. */
export async function report(answer: Blob, file: string, format: ReportFormat): Promise<Blob> {
  const body = new Blob(['{"result":', answer, ',"file":', JSON.stringify(file), ',"format":"', format, '"}']);
  const response = await fetch("/v1/report", {
    method: "POST",
    headers: { ...authorization(), "Content-Type": "application/json" },
    body,
  });
  if (!response.ok) {
    throw new RequestError(failureOf(response.status, await response.text(), ""));
  }
  return response.blob();
}
