// A Java program: threads, garbage, files, a child, a pipe between threads.
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;

public class Main {
  public static void main(String[] arguments) throws Exception {
    var seen = new ConcurrentHashMap<Integer, byte[]>();
    var pool = Executors.newFixedThreadPool(8);
    var futures = IntStream.range(0, 200).mapToObj(n -> pool.submit(() -> {
      seen.put(n % 16, new byte[1 << 18]);
      return MessageDigest.getInstance("SHA-256").digest(seen.get(n % 16)).length;
    })).toList();
    for (var future : futures) check(future.get() == 32);
    pool.shutdown();
    System.gc();
    check(IntStream.range(0, 1000).parallel().sum() == 499500);

    var child = new ProcessBuilder("sort").start();
    try (var in = child.outputWriter()) {
      in.write("b\na\n");
    }
    check(new String(child.getInputStream().readAllBytes()).equals("a\nb\n") && child.waitFor() == 0);

    Files.createDirectories(Path.of("tree/branch"));
    Files.writeString(Path.of("tree/branch/leaf"), "leaf");
    Files.copy(Path.of("tree/branch/leaf"), Path.of("copy"), StandardCopyOption.COPY_ATTRIBUTES);
    try (var paths = Files.walk(Path.of("tree"))) {
      check(paths.count() == 3);
    }

    var pipe = Pipe.open();
    try (var selector = Selector.open()) {
      pipe.source().configureBlocking(false).register(selector, SelectionKey.OP_READ);
      new Thread(() -> {
        try {
          pipe.sink().write(ByteBuffer.wrap(new byte[] {42}));
        } catch (java.io.IOException error) {
          throw new java.io.UncheckedIOException(error);
        }
      }).start();
      check(selector.select(20_000) == 1);
    }
    System.out.println("java ok");
  }

  private static void check(boolean holds) {
    if (!holds) throw new AssertionError(List.of(new Throwable().getStackTrace()).get(1).toString());
  }
}
