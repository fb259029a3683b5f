# cmake --install build/release --prefix /usr: the program, the helper by which mount(8) knows fstab lines of type fuse.holdfast, the manual page
# and bash's completions. mount(8) looks for helpers in /sbin, which is /usr/sbin: with another prefix the link has to be made there by hand.
include(GNUInstallDirs)
file(RELATIVE_PATH helper_to_program "/${CMAKE_INSTALL_SBINDIR}" "/${CMAKE_INSTALL_BINDIR}/holdfast")
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/helper)
file(CREATE_LINK ${helper_to_program} ${PROJECT_BINARY_DIR}/helper/mount.fuse.holdfast SYMBOLIC)
install(TARGETS holdfast RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${PROJECT_BINARY_DIR}/helper/mount.fuse.holdfast DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(FILES ${PROJECT_SOURCE_DIR}/packaging/man/holdfast.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/completions/holdfast DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
