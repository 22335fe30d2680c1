import { runCli } from './cli.ts'

/** Made at the first use: `taw run` must leave the standard streams as they are. */
let standardOutput: NodeJS.WriteStream | undefined

function openStandardOutput(): NodeJS.WriteStream {
  const { stdout } = process
  // A reader that has seen enough (`taw manifest get … | head`) closes the pipe; that is no failure of ours.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  return stdout
}

// Not process.exit: what was written to a pipe may still be on its way.
process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  stdout: (data) => void (standardOutput ??= openStandardOutput()).write(data),
  stderr: (line) => void process.stderr.write(`${line}\n`),
  exit: (code) => process.exit(code),
})
